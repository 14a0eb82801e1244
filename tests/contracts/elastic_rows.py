"""Every generator that the elastic contract is held against: the registered ones, small, and six of the kind that users write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autogc.config.generator import GeneratorConfig

WRITTEN = Path(__file__).parent / "user_generators"


@dataclass(frozen=True)
class Row:
    """A generator, the shape (C, H, W) of its input, and what a conversion must make of it.

    ``groups`` is the number of channel groups and ``sites`` that of decomposable convolutions: what quietly stays fixed is a failure.
    ``fixed`` is how many things of each kind (``channels``, ``operator``, ...) must be reported as fixed, with a reason.
    """

    generator: GeneratorConfig
    shape: tuple[int, int, int]
    groups: int
    sites: int
    fixed: dict[str, int]
    # Random candidates, beside the largest and the smallest.
    samples: int = 2
    # How many parts can be left out.
    units: int = 0

    @property
    def decompose(self) -> tuple[str, ...]:
        return ("*",) if self.sites else ()

    def inputs(self, count: int, *, seed: int = 0) -> Tensor:
        """Inputs (count, C, H, W) in [-1, 1]."""
        return torch.rand(count, *self.shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def registered(
    name: str,
    args: dict[str, Any],
    shape: tuple[int, int, int],
    *,
    groups: int,
    sites: int,
    fixed: dict[str, int] | None = None,
    samples: int = 2,
    units: int = 0,
) -> Row:
    generator = GeneratorConfig(name=name, args={**args, "in_channels": shape[0], "out_channels": 3})
    return Row(generator, shape, groups, sites, fixed or {}, samples, units)


def written(
    file: str, kind: str, shape: tuple[int, int, int], *, groups: int, sites: int, fixed: dict[str, int] | None = None, units: int = 0
) -> Row:
    return Row(GeneratorConfig(module=f"{WRITTEN / file}:{kind}"), shape, groups, sites, fixed or {}, units=units)


# A registered generator without a row fails the suite.
REGISTERED: dict[str, Row] = {
    "dcgan": registered("dcgan", {"base_channels": 16, "size": 16}, (12, 1, 1), groups=2, sites=0),
    "mobile_resnet": registered("mobile_resnet", {"base_channels": 16, "blocks": 2}, (3, 16, 16), groups=7, sites=4, units=2),
    "mobile_spade": registered(
        "mobile_spade", {"base_channels": 4}, (5, 64, 64), groups=30, sites=34, units=19, fixed={"parametrization": 18}, samples=1
    ),
    "resnet": registered("resnet", {"base_channels": 16, "blocks": 2}, (3, 16, 16), groups=7, sites=8, units=2),
    "resnet_batch": registered(
        "resnet", {"base_channels": 16, "blocks": 1, "norm": "batch", "dropout": 0.5}, (5, 16, 16), groups=6, sites=6, units=1
    ),
    "spade": registered(
        "spade",
        {"base_channels": 4, "hidden_channels": 16},
        (5, 32, 32),
        groups=30,
        sites=70,
        units=19,
        fixed={"parametrization": 18},
        samples=1,
    ),
    "srresnet": registered("srresnet", {"base_channels": 16, "blocks": 2}, (3, 8, 8), groups=5, sites=9, units=3),
    "stargan": registered("stargan", {"base_channels": 16, "blocks": 2}, (6, 16, 16), groups=7, sites=8, units=2),
    "unet": registered("unet", {"base_channels": 8, "downs": 5}, (3, 32, 32), groups=9, sites=5),
}
USERS: dict[str, Row] = {
    "attention": written("attention.py", "AttentionGenerator", (12, 1, 1), groups=4, sites=1, units=1, fixed={"parametrization": 7}),
    "convnext": written("convnext.py", "ConvNeXtGenerator", (3, 16, 16), groups=4, sites=2, units=2),
    "dense_block": written("dense_block.py", "DenseNet", (3, 16, 16), groups=7, sites=9, units=3),
    "pixel_shuffle": written("pixel_shuffle.py", "ShuffleSR", (3, 8, 8), groups=6, sites=7, units=2, fixed={"parametrization": 4}),
    "shared": written("shared.py", "SharedGenerator", (3, 16, 16), groups=4, sites=2, fixed={"operator": 4}),
    "unet_of_a_user": written("unet.py", "MyUNet", (3, 16, 16), groups=10, sites=10, units=5),
}
ROWS = {**REGISTERED, **USERS}
