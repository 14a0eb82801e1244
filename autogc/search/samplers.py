"""Samplers by name: how the next candidate is chosen."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection

from autogc.config.experiment import Component
from autogc.errors import ConfigError
from autogc.registry import Registry
from autogc.search.encoding import Row
from autogc.search.feasibility import FeasibleRegion
from autogc.search.pareto import minimizes
from autogc.search.storage import experimental

GP_EVALUATIONS = 250  # the most that a Gaussian process is used for: fitting it grows with the cube of them
# Proposals in a row that may be infeasible or known before the study looks for a feasible one itself. Each costs a tenth of a second in
# the study's database; more than two are worth it only for a sampler that learns from them.
PATIENCE, LEARNING_PATIENCE = 2, 5


@dataclass(frozen=True)
class Setting:
    """What a sampler is made for: the study's seed, its number of evaluations, what is feasible, and what needs no evaluation again."""

    seed: int
    evaluations: int
    region: FeasibleRegion
    seen: Callable[[Row], bool]


@dataclass(frozen=True)
class Plan:
    """A sampler, and what the study does when its proposals can't be used.

    After ``patience`` of them in a row, the study proposes a feasible candidate: near the last proposal when ``repairs``, else any.
    """

    sampler: BaseSampler
    patience: int = PATIENCE
    repairs: bool = True


Strategy = Callable[[Setting], Plan]
SAMPLERS: Registry[Strategy] = Registry("sampler")


@SAMPLERS.register("gp")
def gp(*, n_startup_trials: int = 10, deterministic_objective: bool = True) -> Strategy:
    """Gaussian processes with expected hypervolume improvement, over feasible candidates only: the best for few evaluations."""

    def plan(setting: Setting) -> Plan:
        from autogc.search.gp import FeasibleGPSampler

        sampler = FeasibleGPSampler(
            region=setting.region,
            seen=setting.seen,
            seed=setting.seed,
            n_startup_trials=n_startup_trials,
            deterministic_objective=deterministic_objective,
        )
        # Only its first proposals, random ones, can be infeasible: a feasible one drawn evenly is what they stand for.
        return Plan(sampler, patience=1, repairs=False)

    return plan


@SAMPLERS.register("tpe")
def tpe(*, n_startup_trials: int = 10, n_ei_candidates: int = 24, multivariate: bool = True, constant_liar: bool = True) -> Strategy:
    """Tree-structured Parzen estimator; candidates under evaluation count as bad ones (constant liar), so that workers spread out."""
    return lambda setting: Plan(
        optuna.samplers.TPESampler(
            n_startup_trials=n_startup_trials,
            n_ei_candidates=n_ei_candidates,
            multivariate=multivariate,
            constant_liar=constant_liar,
            seed=setting.seed,
        ),
        patience=LEARNING_PATIENCE,
    )


@SAMPLERS.register("nsga2")
def nsga2(*, population_size: int | None = None, mutation_prob: float | None = None, crossover_prob: float = 0.9) -> Strategy:
    """NSGA-II. The population is a tenth of the evaluations, between 10 and 50, unless given: at least ten generations where possible."""
    return lambda setting: Plan(
        optuna.samplers.NSGAIISampler(
            population_size=population_size or _population(setting.evaluations),
            mutation_prob=mutation_prob,
            crossover_prob=crossover_prob,
            seed=setting.seed,
        )
    )


@SAMPLERS.register("nsga3")
def nsga3(*, population_size: int | None = None, mutation_prob: float | None = None, crossover_prob: float = 0.9) -> Strategy:
    """NSGA-III, made for three objectives and more. The population is as for ``nsga2``."""
    return lambda setting: Plan(
        optuna.samplers.NSGAIIISampler(
            population_size=population_size or _population(setting.evaluations),
            mutation_prob=mutation_prob,
            crossover_prob=crossover_prob,
            seed=setting.seed,
        )
    )


@SAMPLERS.register("random")
def random() -> Strategy:
    """Uniform draws from the feasible candidates: what every other sampler has to beat."""
    return lambda setting: Plan(optuna.samplers.RandomSampler(seed=setting.seed), patience=1, repairs=False)


@SAMPLERS.register("auto")
def auto() -> Strategy:
    """``gp`` for a search of at most 250 evaluations, ``nsga2`` for a longer one."""
    return lambda setting: (gp() if setting.evaluations <= GP_EVALUATIONS else nsga2())(setting)


def _population(evaluations: int) -> int:
    return int(np.clip(evaluations // 10, 10, 50))


def _register_optuna_classes() -> None:
    """Register each of Optuna's sampler classes under its own name, with those of its arguments that an experiment file can hold."""
    for name in optuna.samplers.__all__:
        found = getattr(optuna.samplers, name)
        if not (inspect.isclass(found) and issubclass(found, BaseSampler)) or inspect.isabstract(found):
            continue
        if found is optuna.samplers.BruteForceSampler:
            continue  # It stops the study itself, which only Study.optimize lets it.
        parameters = [
            parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for parameter in list(inspect.signature(found.__init__).parameters.values())[1:]
            if _is_plain(str(parameter.annotation)) or parameter.default is inspect.Parameter.empty
        ]
        # One that must be given another object (a base sampler, a grid) can't be named in a file.
        if all(parameter.default is not inspect.Parameter.empty for parameter in parameters):
            SAMPLERS.register(name)(_builder(found, inspect.Signature(parameters)))


def _is_plain(annotation: str) -> bool:
    return set(re.findall(r"[\w.\[\]]+", annotation)) <= {"int", "float", "str", "bool", "None"}


def _builder(found: type[BaseSampler], signature: inspect.Signature) -> Callable[..., Strategy]:
    def build(**args: Any) -> Strategy:
        def plan(setting: Setting) -> Plan:
            seeded = {"seed": setting.seed} if "seed" in signature.parameters else {}
            return Plan(found(**{**seeded, **args}))

        return plan

    build.__signature__ = signature  # type: ignore[attr-defined]
    build.__doc__ = found.__doc__
    return build


_register_optuna_classes()


def directions_of(objectives: Sequence[str]) -> list[StudyDirection]:
    """Return Optuna's direction of each objective."""
    return [StudyDirection.MINIMIZE if minimizes(objective) else StudyDirection.MAXIMIZE for objective in objectives]


def make_plan(component: Component, setting: Setting, *, directions: list[StudyDirection]) -> Plan:
    """Return the sampler of an experiment's ``search.sampler``.

    Raises ConfigError where Optuna refuses its arguments, or it the objectives.
    """
    strategy = SAMPLERS.build(component.name, component.args)
    with experimental():
        try:
            # Some samplers find out only when asked that they take one objective.
            rehearsal = optuna.create_study(directions=directions, sampler=strategy(setting).sampler)
            for _ in range(2):
                rehearsal.tell(rehearsal.ask(setting.region.encoding.distributions), [0.0] * len(directions))
            return strategy(setting)
        except (ValueError, TypeError, ImportError) as error:
            raise ConfigError(f"search.sampler: {component.name!r} can't be used for this search: {error}") from None
