"""Gaussian processes of the scores alone: costs are what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.special import log_ndtr

from autogc.metrics.limits import minimizes
from autogc.search.encoding import Row
from autogc.search.features import Features
from autogc.search.improvement import expected_hypervolume_improvement, free_boxes
from autogc.search.pareto import non_dominated
from autogc.search.proposals import best_feasible, feasible_draws
from autogc.search.samplers.base import FIRST, SAMPLERS, Plan, Setting, Strategy
from autogc.search.samplers.uniform import random
from autogc.search.score_model import Related, ScoreModel
from autogc.search.screening import Bar

MARGIN = 0.1  # of the range of an objective, by which the reference lies beyond the worst of the front
LEAST, TIE = 1e-280, 1e-6
CHANCE = 0.05  # of reaching the front, below which a candidate is not scored on all images
REFIT = 0.05  # the share of new values after which hyperparameters are fitted anew
DRAWS = 512  # of the feasible candidates: the first proposals are chosen among them, and the range of costs is theirs


class ScoreModelSampler(BaseSampler):
    """Proposes the feasible, unseen candidate that is expected to raise the front's hypervolume most (``search/improvement.py``).

    Only what an evaluation tells is modelled: objectives that are scores, and scores that are limited (``search/score_model.py``). Costs
    are exact, on a logarithmic scale; scores are on the scale that their model has, and where they are noisy the front's are the model's
    means. A candidate under evaluation counts as evaluated, with the score that is expected of it, so that workers spread. A limit on an
    objective bounds the volume; a limit on another score counts by the probability that it is met. The first ``n_startup_trials`` are
    spread over costs and decisions. All that it knows is in the study: another process goes on where this one ended.
    """

    def __init__(self, setting: Setting, *, n_startup_trials: int) -> None:
        self._setting = setting
        self._startup = n_startup_trials
        self._generator = np.random.default_rng(setting.seed)
        self._independent = RandomSampler(seed=setting.seed)
        self._features = Features(setting.region)
        self._modelled = [not setting.region.knows(name) for name in setting.objectives]
        self._signs = np.array([1.0 if minimizes(name) else -1.0 for name in setting.objectives])
        self._fits: dict[str, tuple[int, np.ndarray]] = {}
        self._rows: dict[int, Row] = {}
        self._bars: dict[int, Bar] = {}

    def bar_of(self, number: int) -> Bar | None:
        """Return what the candidate that was proposed as a trial, by its number, must reach on the first images; None where any value will
        do."""
        return self._bars.get(number)

    def reseed_rng(self) -> None:
        """Draw other random numbers from here on."""
        self._generator = np.random.default_rng()
        self._independent.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return every decision of the space."""
        del study, trial
        return dict(self._setting.region.encoding.distributions)

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        """Draw at random what was not proposed, which is nothing unless every feasible candidate was seen."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Return the next candidate's parameters, {} where every candidate that was looked at is seen."""
        if not search_space:
            return {}
        told = self._told(study, trial)
        if len(told.everywhere) < self._startup or not len(told.rows):
            return self._setting.region.encoding.params(self._spread(told.everywhere))
        row, bar = self._improving(told)
        if row is None:
            return {}
        if bar is not None:
            self._bars[trial.number] = bar
        return self._setting.region.encoding.params(row)

    def _told(self, study: Study, asking: FrozenTrial) -> Told:
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        # A candidate that was proposed again by some queue was told again: once is enough.
        complete = {row.tobytes(): one for one in trials if one.state == TrialState.COMPLETE and (row := self._row(one)) is not None}
        done = list(complete.values())
        looked = [one for one in trials if FIRST in one.user_attrs and self._row(one) is not None]
        running = [one for one in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)) if one.number != asking.number]
        values = np.array([one.values for one in done]).reshape(len(done), len(self._signs)) * self._signs
        limited = self._setting.limits_on_others
        excess = {name: np.array([one.constraints.get(name, np.nan) for one in done]) for name in limited}
        names = (*self._setting.objectives, *limited)
        first = {name: np.array([one.user_attrs[FIRST].get(name, np.nan) for one in looked]) for name in names}
        return Told(self._stack(done), values, excess, self._stack(running), self._stack(looked), first)

    def _spread(self, rows: np.ndarray) -> Row:
        """Return a feasible row far from all ``rows`` (N, decisions) in costs and in decisions."""
        drawn = feasible_draws(self._setting.region, DRAWS)
        if not len(rows):
            return np.asarray(drawn[0])
        apart = (drawn[:, None] != rows[None]).mean(axis=2)
        costs = np.abs(self._features(drawn).sizes[:, None] - self._features(rows).sizes[None]).mean(axis=2)
        order = np.argsort(-(apart + costs).min(axis=1))
        return next((drawn[index] for index in order if not self._setting.seen(drawn[index])), drawn[0])

    def _improving(self, told: Told) -> tuple[Row | None, Bar | None]:
        """Return the row to evaluate and what it must reach on the first images."""
        setting = self._setting
        telling = -_dominated_by(told.values)
        models: dict[int, ScoreModel] = {}
        for objective, name in enumerate(setting.objectives):
            if self._modelled[objective]:
                models[objective] = self._model(name, told, told.values[:, objective], telling, self._related(name, told))
        # By its excess over the limit; with the warped excess of 0.
        limited = []
        for name, excess in told.excess.items():
            if np.isfinite(excess).any():
                model = self._model(f"limit on {name}", told, excess, telling, (), linear=True)
                limited.append((model, float(model.warp(np.zeros(1))[0])))
        everywhere = told.everywhere
        points = self._points(everywhere, models)[0]
        meeting = np.ones(len(everywhere), dtype=bool)
        for model, limit in limited:
            meeting &= model.mean(everywhere) <= limit
        boxes = free_boxes(points[meeting], self._reference(points[meeting] if meeting.any() else points, models))

        def value(candidates: np.ndarray) -> np.ndarray:
            if not len(candidates):
                return np.empty(0)
            mean, deviation = self._points(candidates, models)
            gain = np.log(np.maximum(expected_hypervolume_improvement(mean, deviation, boxes), LEAST))
            # Where nothing is gained as far as numbers go, what is expected to be better comes first.
            gain -= TIE * mean[:, list(models)].sum(axis=1)
            for model, limit in limited:
                at, apart = model.predict(candidates)
                gain += log_ndtr((limit - at) / apart)
            return gain

        front = everywhere[meeting][non_dominated(points[meeting])]
        starts = front if len(front) else everywhere
        row = best_feasible(value, region=setting.region, starts=starts, seen=setting.seen, generator=self._generator)
        known = meeting & (np.arange(len(everywhere)) < len(told.rows))
        return row, None if row is None else self._bar(row, points[known], models)

    def _related(self, name: str, told: Told) -> list[Related]:
        """Return the scores that are like an objective: those of the first images, those of other searches."""
        sign = float(self._signs[self._setting.objectives.index(name)])
        found = [] if self._setting.first_images is None else [_known(told.looked, sign * told.first[name])]
        for past in self._setting.past:
            # Where it was not scored by this, another score of the same subnets tells something too.
            score = name if name in past.scores else next(iter(past.scores))
            found.append(_known(past.rows, past.scores[score] * (1.0 if minimizes(score) else -1.0)))
        return found

    def _bar(self, row: Row, points: np.ndarray, models: Mapping[int, ScoreModel]) -> Bar | None:
        """Return the score on the first images with which a candidate has a chance of ``CHANCE`` to be better than every evaluated one that
        costs no more (``points`` (N, M)); None where nobody costs less, or more than one objective is modelled."""
        first_images = self._setting.first_images
        if first_images is None or len(models) != 1:
            return None
        ((objective, model),) = models.items()
        costs = self._points(row[None], models)[0][0]
        no_dearer = np.delete(points <= costs[None], objective, axis=1).all(axis=1)
        if not no_dearer.any():
            return None
        limit = model.first_score_for(row, float(points[no_dearer, objective].min()), chance=CHANCE)
        return None if limit is None else Bar(first_images, {self._setting.objectives[objective]: limit * float(self._signs[objective])})

    def _points(self, rows: np.ndarray, models: Mapping[int, ScoreModel]) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the deviation of each objective of rows (N, decisions), each (N, M), minimised."""
        mean = np.empty((len(rows), len(self._setting.objectives)))
        deviation = np.zeros_like(mean)
        for objective, name in enumerate(self._setting.objectives):
            if objective in models:
                mean[:, objective], deviation[:, objective] = models[objective].predict(rows)
            else:
                mean[:, objective] = self._log_cost(rows, name)
        return mean, deviation

    def _reference(self, points: np.ndarray, models: Mapping[int, ScoreModel]) -> np.ndarray:
        """Return the corner (M,) that volumes are measured from: beyond the dearest feasible candidate and the worst of the front of
        ``points`` (N, M), N >= 1, but not beyond a limit."""
        front = points[non_dominated(points)]
        reference = np.empty(points.shape[1])
        for objective, name in enumerate(self._setting.objectives):
            if objective not in models:
                low, high = self._ends[name]
                reference[objective] = high + MARGIN * (high - low or 1.0)
                continue
            low, high = front[:, objective].min(), front[:, objective].max()
            reference[objective] = high + MARGIN * max(high - low, MARGIN)
            if name in self._setting.measured_limits:
                limit = np.array([self._setting.measured_limits[name] * self._signs[objective]])
                reference[objective] = min(reference[objective], float(models[objective].warp(limit)[0]))
        return reference

    def _model(
        self, name: str, told: Told, values: np.ndarray, telling: np.ndarray, related: Sequence[Related], *, linear: bool = False
    ) -> ScoreModel:
        known = np.isfinite(values)
        count = int(known.sum()) + sum(len(one.rows) for one in related)
        fitted, start = self._fits.get(name, (0, None))
        again = count > (1 + REFIT) * fitted
        model = ScoreModel(
            self._features,
            told.rows[known],
            values[known],
            related=related,
            telling=telling[known],
            start=start,
            fit=again,
            linear=linear,
        )
        if again:
            self._fits[name] = (count, model.process.hyperparameters)
        model.expect(told.pending)
        return model

    @cached_property
    def _ends(self) -> dict[str, tuple[float, float]]:
        """The least and the most of each known objective, as logarithms: of the ends of the feasible region, and of draws from it."""
        region = self._setting.region
        rows = np.concatenate([[region.smallest(), region.largest()], feasible_draws(region, DRAWS)])
        names = [name for name, modelled in zip(self._setting.objectives, self._modelled, strict=True) if not modelled]
        logarithms = {name: self._log_cost(rows, name) for name in names}
        return {name: (float(found.min()), float(found.max())) for name, found in logarithms.items()}

    def _log_cost(self, rows: np.ndarray, name: str) -> np.ndarray:
        return np.log(np.maximum(self._setting.region.known(rows, only=[name])[name], 1e-9))

    def _row(self, trial: FrozenTrial) -> Row | None:
        if trial.number not in self._rows:
            row = self._setting.region.encoding.row_of_params(trial.params)
            if row is None:
                return None
            self._rows[trial.number] = row
        return self._rows[trial.number]

    def _stack(self, trials: Sequence[FrozenTrial]) -> np.ndarray:
        rows = [row for one in trials if (row := self._row(one)) is not None]
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(self._setting.region.encoding.sizes))


@dataclass(frozen=True)
class Told:
    """What a study tells.

    ``rows`` (N, decisions) were evaluated: the objectives' ``values`` (N, M), minimised, and the ``excess`` (N,) of each limited score over
    its limit, NaN where unknown. Others are ``pending``, or were ``looked`` at on the first images and had the scores ``first`` there.
    """

    rows: np.ndarray
    values: np.ndarray
    excess: Mapping[str, np.ndarray]
    pending: np.ndarray
    looked: np.ndarray
    first: Mapping[str, np.ndarray]

    @property
    def everywhere(self) -> np.ndarray:
        """All rows, those that are pending last."""
        return np.concatenate([self.rows, self.pending])


def _known(rows: np.ndarray, values: np.ndarray) -> Related:
    known = np.isfinite(values)
    return Related(rows[known], values[known])


def _dominated_by(values: np.ndarray) -> np.ndarray:
    """Return by how many others each of the values (N, M), minimised, is dominated, (N,)."""
    no_worse = (values[:, None] <= values[None]).all(axis=2)
    better = (values[:, None] < values[None]).any(axis=2)
    return np.asarray((no_worse & better).sum(axis=0))


@SAMPLERS.register("gp")
def gp(*, n_startup_trials: int = 8) -> Strategy:
    """Gaussian processes of the scores; costs are known; the expected hypervolume improvement in closed form."""

    # Only what is known infeasible or seen could be refused, and it proposes neither.
    def plan(setting: Setting) -> Plan:
        if setting.region.anchor is None:
            return random()(setting)  # nothing feasible is known that could be modelled
        sampler = ScoreModelSampler(setting, n_startup_trials=n_startup_trials)
        return Plan(sampler, patience=1, repairs=False, bar_of=sampler.bar_of)

    return plan
