"""The Ray Tune searcher: hands Ray the session's proposals and the session Ray's results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ray.tune import Stopper
from ray.tune.search import Searcher

from autogc.search.evaluator import Outcome, seed_for
from autogc.search.session import SearchSession
from autogc.search.study import Proposal
from autogc.search.trainable import BAR, CANDIDATE, DEFECT, OUTCOME

DIED = "the worker process died, and died again when the evaluation was repeated (out of memory?)"


class EvaluationDefect(RuntimeError):
    """An evaluation raised what no candidate should be able to raise; the text is the worker's traceback."""


class StudySearcher(Searcher):
    """One durable study instead of a searcher's own state: Ray has nothing to save or restore.

    Ray logs what ``on_trial_complete`` raises and goes on. So it is kept in ``error`` and ends the search (``StopOnError``).
    """

    def __init__(self, session: SearchSession, *, seed: int) -> None:
        super().__init__()
        self._session = session
        self._seed = seed
        self._running: dict[str, Proposal] = {}
        self.error: Exception | None = None

    def suggest(self, trial_id: str) -> Any:
        """Return the configuration of the next trial (a dict), or FINISHED."""
        proposal = self._session.next()
        if proposal is None:
            return Searcher.FINISHED
        self._running[trial_id] = proposal
        bar = None if proposal.bar is None else proposal.bar.to_json()
        return {CANDIDATE: json.dumps(proposal.candidate.to_json()), BAR: json.dumps(bar)}

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Bring a result home. Without one the worker died, after Ray had repeated the trial."""
        proposal = self._running.pop(trial_id, None)
        if proposal is None or self.error is not None:
            return  # What was under evaluation when the search failed is proposed again when it is called again.
        try:
            self._finish(proposal, result or {})
        except Exception as raised:
            self.error = raised

    def _finish(self, proposal: Proposal, result: dict[str, Any]) -> None:
        if DEFECT in result:
            raise EvaluationDefect(f"evaluating candidate {proposal.candidate.hash}:\n{result[DEFECT]}")
        if OUTCOME in result:
            self._session.finish(proposal, Outcome.from_json(json.loads(result[OUTCOME])))
        else:
            self._session.lost(proposal, DIED, seed=seed_for(proposal.candidate, self._seed))

    def __getstate__(self) -> dict[str, Any]:
        # Ray pickles its tuner for a restoring that never happens here; the session holds locks, threads and the user's callbacks.
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Write an empty file, which Ray expects: the study and the ledger are on disk already."""
        Path(checkpoint_path).touch()

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: a search goes on from its study and ledger."""
        del checkpoint_path


class StopOnError(Stopper):
    """Ends the search when a result could not be brought home."""

    def __init__(self, searcher: StudySearcher) -> None:
        self._searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no single trial."""
        del trial_id, result
        return False

    def stop_all(self) -> bool:
        """Stop everything once the searcher has met an error."""
        return self._searcher.error is not None
