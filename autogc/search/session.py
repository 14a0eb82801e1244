"""The search's bookkeeping, whoever evaluates: what to do next, and in which order a result is written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from autogc.config.experiment import SearchConfig
from autogc.errors import AutogcError
from autogc.metrics.limits import minimizes
from autogc.progress import Progress
from autogc.search.evaluator import Outcome
from autogc.search.ledger import Evaluation, Ledger
from autogc.search.pareto import dominated_share, eligible, value_of
from autogc.search.study import Proposal, SearchStudy

# If all of the first evaluations fail it is not the candidates' fault.
HOPELESS_AFTER = 5
PACKAGES = ("autogc", "torch", "numpy", "optuna", "ray")


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that an evaluation's result may depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class SearchSession:
    """Takes proposals from the study and brings results home: first to the ledger, then to the study, then to everybody else.

    So a kill between two of these repeats no evaluation and loses none. ``on_evaluation`` is told of each new evaluation once it is safe.
    """

    def __init__(
        self,
        *,
        study: SearchStudy,
        ledger: Ledger,
        config: SearchConfig,
        progress: Progress,
        on_evaluation: Callable[[Evaluation], None] | None = None,
    ) -> None:
        self.study = study
        self.ledger = ledger
        self.evaluations = ledger.read()
        self.new = 0
        self._config = config
        self._progress = progress
        self._on_evaluation = on_evaluation
        self._versions = package_versions()
        self._peeked: Proposal | None = None

    @property
    def has_next(self) -> bool:
        """Whether there is a candidate left to evaluate. It is worked out now and handed out by the next ``next``."""
        if self._peeked is None:
            self._peeked = self.study.ask()
        return self._peeked is not None

    def next(self) -> Proposal | None:
        """Return the next candidate to evaluate, or None when there is none."""
        proposal = self._peeked if self._peeked is not None else self.study.ask()
        self._peeked = None
        return proposal

    def lost(self, proposal: Proposal, reason: str, *, seed: int) -> Evaluation:
        """Write down that a proposal came back without a result, as when its worker died."""
        now = datetime.now(UTC)
        failed = Outcome(
            state="failed", reason=reason, scores={}, costs={}, provenance={}, seed=seed, started=now, finished=now, worker="unknown"
        )
        return self.finish(proposal, failed)

    def finish(self, proposal: Proposal, outcome: Outcome) -> Evaluation:
        """Write down what came of a proposal. Raises AutogcError when every evaluation so far failed, with the last reason."""
        evaluation = Evaluation(
            trial=proposal.trial,
            candidate=proposal.candidate,
            genotype=dict(proposal.genotype),
            state=outcome.state,
            reason=outcome.reason,
            scores=outcome.scores,
            costs={**{name: float(value) for name, value in proposal.costs.items()}, **outcome.costs},
            provenance=outcome.provenance,
            seed=outcome.seed,
            versions=self._versions,
            started=outcome.started,
            finished=outcome.finished,
            worker=outcome.worker,
        )
        self.ledger.append(evaluation)
        self.evaluations.append(evaluation)
        self.new += 1
        self.study.tell(evaluation)
        if self._on_evaluation is not None:
            self._on_evaluation(evaluation)
        self._progress.update(len(self.evaluations), **self.figures())
        if len(self.evaluations) >= HOPELESS_AFTER and all(one.state == "failed" for one in self.evaluations):
            raise AutogcError(f"all of the first {len(self.evaluations)} evaluations failed, the last with: {outcome.reason}")
        return evaluation

    def figures(self) -> Mapping[str, float]:
        """Return what is worth seeing now: the best of each objective, and the share that the front dominates of the box they span."""
        objectives = self._config.objectives
        usable = eligible(self.evaluations, objectives, self._config.constraints)
        if not usable:
            return {}
        best = {name: (min if minimizes(name) else max)(value_of(one, name) for one in usable) for name in objectives}
        return {**best, "dominated_share": dominated_share(usable, objectives)}
