"""The study: one durable Optuna study that says what to evaluate next and learns what came of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.trial import TrialState

from autogc.config.experiment import SearchConfig
from autogc.errors import RunDirectoryError
from autogc.files import sha256_json
from autogc.metrics.limits import excess
from autogc.search.encoding import Encoding, Row
from autogc.search.feasibility import FeasibleRegion
from autogc.search.ledger import Evaluation
from autogc.search.pareto import value_of
from autogc.search.past import Past
from autogc.search.samplers import FIRST, Setting, directions_of, make_plan
from autogc.search.screening import Bar
from autogc.search.storage import experimental, open_storage
from autogc.supernet.candidate import Candidate, Value

if TYPE_CHECKING:
    from autogc.cost import CostModel
    from autogc.supernet import Space

HASH, OUTCOME, PAST = "hash", "outcome", "past"
FROM_FRONTS = 6  # of another search's front are evaluated before anything else is proposed
INFEASIBLE, DUPLICATE, EVALUATED = "infeasible", "duplicate", "evaluated"
STATES = {"complete": TrialState.COMPLETE, "screened": TrialState.PRUNED, "failed": TrialState.FAIL}


@dataclass(frozen=True)
class Proposal:
    """A candidate to evaluate, as trial number ``trial`` of the study, with the costs that are known of it."""

    trial: int
    genotype: dict[str, Value]
    candidate: Candidate
    costs: dict[str, float]
    bar: Bar | None = None


class SearchStudy:
    """Asks an Optuna sampler for candidates until ``config.evaluations`` of them are evaluated, and tells it what came of each.

    Only feasible candidates that were never evaluated are proposed. Of the others the sampler is told at once, and they cost nothing:

    * infeasible: PRUNED with the constraint values and no objective values. TPE ranks such trials by their violation; NSGA-II, GP and the
      random sampler go by complete trials only, so after a few refusals in a row the study proposes a feasible candidate itself (``Plan``);
    * evaluated before: the known values again; under evaluation at this moment: FAIL, which every sampler passes over.

    A candidate that was too bad on the first images to be scored on all (``screened``) is PRUNED too, with its scores on those. A
    constraint's value is (cost - limit) / limit, feasible at 0 and below; that of a score comes with its evaluation. An evaluation that
    failed is FAIL. What the ledger (``evaluations``) holds is the truth: on start, trials that a dead run left RUNNING are closed and,
    where the ledger does not have their candidate, proposed again first; evaluations that the study never heard of are told to it. What
    other searches found (``search.start_from``) is read once, and kept in the study.
    """

    def __init__(
        self,
        *,
        name: str,
        config: SearchConfig,
        space: Space,
        costs: CostModel,
        seed: int,
        path: Path | None = None,
        evaluations: Sequence[Evaluation] = (),
    ) -> None:
        self.config = config
        self.exhausted = False
        self._encoding = Encoding(space)
        self._known = {evaluation.candidate.hash: evaluation for evaluation in evaluations}
        self._outstanding: dict[int, tuple[optuna.Trial, Proposal]] = {}
        self._directions = directions_of(config.objectives)
        self._study = self._open(name, path)
        past = self._study.get_trials(deepcopy=False)
        # A run that goes on must not draw what it drew before, nor depend on when it was killed.
        fresh = [int(part) for part in np.random.SeedSequence([seed, len(past), len(self._known)]).generate_state(2)]
        self.region = FeasibleRegion(self._encoding, costs, config.cost_limits, np.random.default_rng(fresh[0]))
        self._past = self._recorded_past()
        setting = Setting.of(config, seed=fresh[1], region=self.region, seen=self._seen, past=self._past)
        self._plan = make_plan(config.sampler, setting, directions=self._directions)
        self._study.sampler = self._plan.sampler
        self._refused = Counter(trial.user_attrs.get(OUTCOME) for trial in past)
        self._reconcile(past)
        self._first = [] if self.region.anchor is None else [self.region.largest(), self.region.smallest(), *self._from_fronts()]

    @property
    def remaining(self) -> int:
        """How many evaluations are still to be proposed."""
        return max(0, self.config.evaluations - len(self._known) - len(self._outstanding))

    @property
    def infeasible(self) -> int:
        """How many infeasible candidates the sampler proposed."""
        return self._refused[INFEASIBLE]

    @property
    def duplicates(self) -> int:
        """How many candidates the sampler proposed that were known or under evaluation."""
        return self._refused[DUPLICATE]

    def ask(self) -> Proposal | None:
        """Return the next candidate to evaluate; None when the evaluations are used up, or (``exhausted``) the feasible candidates are."""
        if not self.remaining or self.exhausted:
            return None
        first = {self._candidate(row).hash: row for row in self._first if not self._seen(row)}
        for row in list(first.values())[: self.remaining]:
            self._enqueue(row)
        self._first = []
        refused: Row | None = None
        # What is queued is not the sampler's doing: a kill may have queued it twice.
        queued = len(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))
        for _ in range(queued + self._plan.patience):
            proposal, refused = self._propose()
            if proposal is not None:
                return proposal
        near = refused if self._plan.repairs else None
        unseen = self.region.unseen(self._seen, near=near, known=self._rows_known())
        if unseen is None:
            self.exhausted = True
            return None
        self._enqueue(unseen)
        while True:  # Whatever else is in the queue comes before it.
            proposal, _ = self._propose()
            if proposal is not None:
                return proposal

    def tell(self, evaluation: Evaluation) -> None:
        """Close the trial of a proposal with what came of it."""
        trial, _ = self._outstanding[evaluation.trial]
        self._known[evaluation.candidate.hash] = evaluation
        trial.set_user_attr(OUTCOME, EVALUATED)
        self._close(trial, evaluation)
        del self._outstanding[evaluation.trial]

    def close(self) -> None:
        """Let go of the database; the study asks and tells no more."""
        if self._storage is not None:
            self._storage.engine.dispose()

    def _open(self, name: str, path: Path | None) -> optuna.Study:
        self._storage = None if path is None else open_storage(path)
        study = optuna.create_study(study_name=name, storage=self._storage, directions=self._directions, load_if_exists=True)
        signature = sha256_json([self._encoding.signature, list(self.config.objectives), sorted(self.config.constraints.items())])
        if study.user_attrs.setdefault("signature", signature) != signature:
            raise RunDirectoryError(
                f"{path} is a study of another space, other objectives or other constraints; use another --run-dir, "
                "or change nothing of these in the experiment"
            )
        study.set_user_attr("signature", signature)
        with experimental():
            study.set_metric_names(list(self.config.objectives))
        return study

    def _recorded_past(self) -> tuple[Past, ...]:
        """Return what other searches found, as it was when this one began."""
        recorded = self._study.user_attrs.get(PAST)
        if recorded is None:
            past = [Past.read(source, self._encoding, self.config.objectives) for source in self.config.start_from]
            recorded = [one.to_json() for one in past]
            self._study.set_user_attr(PAST, recorded)
        return tuple(Past.from_json(one) for one in recorded)

    def _from_fronts(self) -> list[Row]:
        """Return the feasible members of other searches' fronts, at most ``FROM_FRONTS`` of each, evenly spaced."""
        found: list[Row] = []
        for past in self._past:
            members = self.region.feasible(past.rows[list(past.front)])
            places = np.linspace(0, len(members) - 1, min(FROM_FRONTS, len(members))).round().astype(int)
            found += [members[place] for place in places]
        return found

    def _reconcile(self, past: Sequence[optuna.trial.FrozenTrial]) -> None:
        told = {trial.user_attrs.get(HASH) for trial in past if trial.user_attrs.get(OUTCOME) == EVALUATED and trial.state.is_finished()}
        for frozen in past:
            if frozen.state == TrialState.RUNNING:
                row = self._encoding.row_of_params(frozen.params)
                if row is not None and self.region.excess(row[None])[0] == 0 and self._candidate(row).hash not in self._known:
                    # Queued before it is closed: a kill between the two queues it once more, and a duplicate costs nothing.
                    self._enqueue(row)
                self._study.tell(frozen.number, state=TrialState.FAIL)
        for evaluation in self._known.values():
            if evaluation.candidate.hash not in told:
                self._study.add_trial(self._finished(evaluation))

    def _propose(self) -> tuple[Proposal | None, Row]:
        """Ask the sampler once. Returns the proposal, or None where it can't be used and was closed, and its row."""
        with experimental():
            trial = self._study.ask(self._encoding.distributions)
        row = self._encoding.row_of_params(trial.params)
        assert row is not None
        costs = self.region.costs_of(row)
        for name, limit in self.region.limits.items():
            trial.set_constraint(name, (costs[name] - limit) / limit)
        candidate = self._candidate(row)
        trial.set_user_attr(HASH, candidate.hash)
        if any(costs[name] > limit for name, limit in self.region.limits.items()):
            self._refuse(trial, INFEASIBLE)
            self._study.tell(trial, state=TrialState.PRUNED)
            return None, row
        if candidate.hash in self._known:
            self._refuse(trial, DUPLICATE)
            self._close(trial, self._known[candidate.hash])
            return None, row
        if self._seen(row):
            self._refuse(trial, DUPLICATE)
            self._study.tell(trial, state=TrialState.FAIL)
            return None, row
        proposal = Proposal(trial.number, self._encoding.genotype(row), candidate, costs, self._bar(trial.number))
        self._outstanding[trial.number] = (trial, proposal)
        return proposal, row

    def _bar(self, trial: int) -> Bar | None:
        if self.config.first_images is None:
            return None
        # Without a limit, a candidate's scores on the first images are recorded all the same: the sampler learns from them.
        return self._plan.bar_of(trial) or Bar(self.config.first_images)

    def _refuse(self, trial: optuna.Trial, outcome: str) -> None:
        trial.set_user_attr(OUTCOME, outcome)
        self._refused[outcome] += 1
        self._study.set_user_attr(f"{outcome}_proposals", self._refused[outcome])

    def _close(self, trial: optuna.Trial, evaluation: Evaluation) -> None:
        for name, value in self._measured_constraints(evaluation).items():
            trial.set_constraint(name, value)
        if evaluation.first is not None:
            trial.set_user_attr(FIRST, evaluation.first["scores"])
        values = self._values(evaluation) if evaluation.state == "complete" else None
        self._study.tell(trial, values, state=STATES[evaluation.state])

    def _finished(self, evaluation: Evaluation) -> optuna.trial.FrozenTrial:
        """Return a trial for an evaluation that the study never heard of."""
        complete = evaluation.state == "complete"
        counted = {name: (evaluation.costs[name] - limit) / limit for name, limit in self.region.limits.items()}
        return optuna.trial.create_trial(
            state=STATES[evaluation.state],
            values=self._values(evaluation) if complete else None,
            params=self._encoding.params(self._encoding.row(evaluation.genotype)),
            distributions=self._encoding.distributions,
            user_attrs={
                HASH: evaluation.candidate.hash,
                OUTCOME: EVALUATED,
                **({} if evaluation.first is None else {FIRST: evaluation.first["scores"]}),
            },
            constraints={**counted, **self._measured_constraints(evaluation)},
        )

    def _measured_constraints(self, evaluation: Evaluation) -> dict[str, float]:
        limits = {name: limit for name, limit in self.config.constraints.items() if name not in self.region.limits}
        found = {name: excess(name, value_of(evaluation, name), limit) for name, limit in limits.items()}
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def _values(self, evaluation: Evaluation) -> list[float]:
        values = [value_of(evaluation, objective) for objective in self.config.objectives]
        assert all(math.isfinite(value) for value in values), "a complete evaluation has a value for each objective"
        return values

    def _enqueue(self, row: Row) -> None:
        self._study.enqueue_trial(self._encoding.params(row))

    def _candidate(self, row: Row) -> Candidate:
        return self._encoding.space.candidate(self._encoding.genotype(row))

    def _seen(self, row: Row) -> bool:
        """Whether a candidate was evaluated, or is being evaluated now."""
        found = self._candidate(row).hash
        return found in self._known or any(found == proposal.candidate.hash for _, proposal in self._outstanding.values())

    def _rows_known(self) -> np.ndarray:
        rows = [self._encoding.row(evaluation.genotype) for evaluation in self._known.values()]
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(self._encoding.sizes))
