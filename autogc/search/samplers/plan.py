"""From an experiment's ``search.sampler`` to a sampler that works for it."""

from __future__ import annotations

from collections.abc import Sequence

import optuna
from optuna.study import StudyDirection

from autogc.config.experiment import Component
from autogc.errors import ConfigError
from autogc.metrics.limits import minimizes
from autogc.search.samplers.base import SAMPLERS, Plan, Setting
from autogc.search.storage import experimental


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
