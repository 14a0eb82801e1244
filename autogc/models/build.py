"""Building the generator that an experiment names, registered or the user's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from autogc.config.generator import GeneratorConfig
from autogc.errors import ConfigError
from autogc.models.custom import build_class, problems_of_class
from autogc.models.registry import GENERATORS


def build_generator_component(
    generator: GeneratorConfig, *, in_channels: int, out_channels: int, offered: Mapping[str, Any] | None = None
) -> nn.Module:
    """Build a generator with fresh weights, drawn from torch's random numbers as they stand.

    A registered one's builder gets ``args``, the channels, and of what is ``offered`` (``height``, ``width``) what it takes; a class of the
    user's own gets ``args`` alone. Raises ConfigError with every problem.
    """
    return build_completed(completed(generator, in_channels=in_channels, out_channels=out_channels, offered=offered))


def completed(
    generator: GeneratorConfig, *, in_channels: int, out_channels: int, offered: Mapping[str, Any] | None = None
) -> GeneratorConfig:
    """Return ``generator`` with everything that its builder is given among its ``args``: what an export records.

    Raises ConfigError where ``args`` say other channels than the data.
    """
    if generator.name is None:
        return generator
    channels = {"in_channels": in_channels, "out_channels": out_channels}
    wrong = [
        f"args.{key} is {generator.args[key]!r}, but the data needs {value}; leave it out"
        for key, value in channels.items()
        if generator.args.get(key, value) != value
    ]
    if wrong:
        raise ConfigError(wrong)
    return generator.model_copy(
        update={"args": GENERATORS.complete(generator.name, generator.args, offered={**(offered or {}), **channels})}
    )


def build_completed(generator: GeneratorConfig) -> nn.Module:
    """Build a generator whose ``args`` say everything. Raises ConfigError with every problem."""
    if generator.name is None:
        return build_class(generator)
    return GENERATORS.build(generator.name, generator.args)


def generator_problems(generator: GeneratorConfig, *, offered: tuple[str, ...] = ("in_channels", "out_channels")) -> list[str]:
    """Return what is wrong with a generator's name or class and its arguments; ``offered`` names what the data says."""
    if generator.name is None:
        return problems_of_class(generator)
    return GENERATORS.problems(generator.name, generator.args, offered=offered)
