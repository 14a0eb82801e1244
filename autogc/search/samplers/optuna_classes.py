"""Optuna's own samplers, each under its class's name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from autogc.search.samplers.base import SAMPLERS, Plan, Setting, Strategy


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
