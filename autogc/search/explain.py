"""Which decisions a score is a matter of, as far as a search's evaluations tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from autogc.config.experiment import COSTS
from autogc.errors import AutogcError
from autogc.metrics.limits import minimizes
from autogc.search.encoding import Encoding
from autogc.search.feasibility import FeasibleRegion
from autogc.search.features import Features
from autogc.search.proposals import feasible_draws
from autogc.search.score_model import ScoreModel
from autogc.supernet.candidate import Value

if TYPE_CHECKING:
    from autogc.cost import CostModel
    from autogc.search.ledger import Evaluation
    from autogc.supernet.space import Space

LEAST = 10  # complete evaluations, below which a model says nothing
DRAWS = 1024  # feasible candidates over which effects are averaged
FOLDS = 5


@dataclass(frozen=True)
class Effect:
    """One decision: its ``stage`` and ``dimension``, the expected score with each of its values (as the middle of feasible candidates that
    are alike but for it), and its ``share`` of the score's variance over them, in [0, 1], with all that it does together with others.

    ``tried`` says how many of the evaluated candidates had each value: of one that few had, little is known. ``regained`` is by how much
    the chosen subnet's score is expected to get better with the decision's most expensive value, and ``paid`` how many times its MACs are
    then; None where it has that value.
    """

    decision: str
    stage: str
    dimension: str
    values: tuple[Value, ...]
    scores: tuple[float, ...]
    tried: tuple[int, ...]
    share: float
    regained: float | None = None
    paid: float | None = None


@dataclass(frozen=True)
class Explanation:
    """What a model of ``score`` says, fitted to ``evaluations`` of them: ``effects``, those that matter most first; the ``shares`` of the
    score's variance of each stage's decisions in each dimension together, by stage and dimension; and ``agreement``, Kendall's tau between
    its predictions and the scores of evaluations that it was not told of (``FOLDS``-fold), in [-1, 1].
    """

    score: str
    evaluations: int
    agreement: float
    effects: tuple[Effect, ...]
    shares: Mapping[str, Mapping[str, float]]
    chosen: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        return asdict(self)


def explain(
    evaluations: Sequence[Evaluation],
    score: str,
    *,
    space: Space,
    costs: CostModel,
    constraints: Mapping[str, float] | None = None,
    chosen: Evaluation | None = None,
    seed: int = 0,
) -> Explanation:
    """Fit a model to the scores of complete evaluations and ask it what each decision does (``ScoreModel``).

    A share is the total effect of Sobol' by Jansen's estimator (Analysis of variance designs for model output, Computer Physics
    Communications 117, 1999), of feasible candidates whose decision, or group of decisions, is taken from another, whatever that costs.
    Raises AutogcError where fewer than ``LEAST`` evaluations have the score.
    """
    scored = [one for one in evaluations if one.state == "complete" and score in one.scores]
    if len(scored) < LEAST:
        raise AutogcError(f"{len(scored)} complete evaluations with {score} tell nothing of the decisions; search on until {LEAST} have it")
    encoding = Encoding(space)
    limits = {name: limit for name, limit in (constraints or {}).items() if name in COSTS}
    generator = np.random.default_rng(seed)
    region = FeasibleRegion(encoding, costs, limits, generator)
    features = Features(region)
    sign = 1.0 if minimizes(score) else -1.0
    rows = np.stack([encoding.row(one.genotype) for one in scored])
    values = sign * np.array([one.scores[score] for one in scored])
    model = ScoreModel(features, rows, values)
    population = feasible_draws(region, DRAWS)
    others = population[generator.permutation(len(population))]
    expected = model.mean(population)
    spread = float(expected.var()) or 1.0

    def share(columns: Sequence[int]) -> float:
        mixed = population.copy()
        mixed[:, columns] = others[:, columns]
        return float(min(((expected - model.mean(mixed)) ** 2).mean() / 2 / spread, 1.0))

    base = None if chosen is None else encoding.row(chosen.genotype)
    effects: list[Effect] = []
    groups: dict[tuple[str, str], list[int]] = {}
    for place, decision in enumerate(space.decisions):
        stage, dimension = _stage_of(decision.name, space), decision.name.partition("/")[0]
        groups.setdefault((stage, dimension), []).append(place)
        middles = []
        for index in range(len(decision.values)):
            changed = population.copy()
            changed[:, place] = index
            middles.append(float(sign * model.warp.inverse(np.median(model.mean(changed), keepdims=True))[0]))
        regained = paid = None
        if base is not None and base[place] > 0:
            larger = base.copy()
            larger[place] = 0
            before, after = sign * model.warp.inverse(model.mean(np.stack([base, larger])))
            macs = region.known(np.stack([base, larger]), only=["macs"])["macs"]
            regained, paid = float(sign * (before - after)), float(macs[1] / macs[0])
        tried = tuple(int((rows[:, place] == index).sum()) for index in range(len(decision.values)))
        effects.append(Effect(decision.name, stage, dimension, decision.values, tuple(middles), tried, share([place]), regained, paid))
    shares: dict[str, dict[str, float]] = {}
    for (stage, dimension), columns in groups.items():
        shares.setdefault(stage, {})[dimension] = share(columns)
    return Explanation(
        score=score,
        evaluations=len(scored),
        agreement=_agreement(features, rows, values, generator),
        effects=tuple(sorted(effects, key=lambda effect: -effect.share)),
        shares=shares,
        chosen=None if chosen is None else chosen.candidate.hash,
    )


def _stage_of(name: str, space: Space) -> str:
    """Return the stages that a decision sets something in, joined by plus signs."""
    decision = next(one for one in space.decisions if one.name == name)
    targets = {target for value in decision.values for _, target, _ in decision.effects(value)}
    stages = space.stages
    owners = {owner for target in targets for owned in (stages.of_group, stages.of_layer, stages.of_unit) if (owner := owned.get(target))}
    return " + ".join(stage for stage in stages.names if stage in owners) or "all"


def _agreement(features: Features, rows: np.ndarray, values: np.ndarray, generator: np.random.Generator) -> float:
    """Return Kendall's tau between predicted and true values over ``FOLDS`` folds; 0 where all are equal."""
    from scipy.stats import kendalltau

    order = generator.permutation(len(rows))
    predicted = np.empty(len(rows))
    for fold in range(FOLDS):
        held = order[fold::FOLDS]
        told = np.setdiff1d(order, held)
        model = ScoreModel(features, rows[told], values[told])
        predicted[held] = model.warp.inverse(model.mean(rows[held]))
    tau = float(kendalltau(predicted, values)[0])
    return tau if np.isfinite(tau) else 0.0
