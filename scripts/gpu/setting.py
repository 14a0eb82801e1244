"""The experiment that the checks take apart: the embedded streets, a small generator, every dimension of the space."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch

from autogc.config.experiment import Experiment
from autogc.supernet import Space, Supernet
from autogc.training.stage import build_data, build_generator, example_input

DIMENSIONS: dict[str, Any] = {
    "width": {"choices": {"*": [1.0, 0.67, 0.5, 0.34]}},
    "operator": {"choices": {"*": ["dense", "separable"]}},
    "filter_pruning": {"choices": {"*": [0.0, 0.25]}},
    "element_pruning": {"choices": {"*": [0.0, 0.3]}},
    "weight_bits": {"choices": {"*": [32, 8, 4]}},
    "codebook": {"choices": {"*": ["none", 64, 16]}},
    "activation_bits": {"choices": {"*": [32, 8]}},
}


def experiment_of(settings: Mapping[str, Any], *, steps: int | None = None, **changes: Any) -> Experiment:
    """Return the experiment; all its training stages take ``steps`` (a few, when None)."""
    tiny = settings["tiny"]
    side, base, blocks = (32, 8, 1) if tiny else (64, 24, 4)
    counts = {"train": 8, "validation": 4, "test": 4} if tiny else {"train": 200, "validation": 32, "test": 64}
    last = f"blocks.{blocks - 1}"
    stage: dict[str, Any] = {"steps": steps or (3 if tiny else 30), "batch_size": 2 if tiny else 4}
    judge = {"name": "dataset_segmenter", "args": {"steps": 4 if tiny else 400}}
    return Experiment.model_validate(
        {
            "name": "gpu_check",
            "device": settings["device"],
            "data": {"name": "streets", "args": {"height": side, "width": side, **counts}},
            "generator": {"name": "resnet", "args": {"base_channels": base, "blocks": blocks}},
            "discriminator": {"name": "patchgan", "args": {"base_channels": 8 if tiny else 32, "layers": 1 if tiny else 2}},
            "losses": {"reconstruction_weight": 10, "distillation_layers": ["down2", last]},
            "teacher": stage,
            "supernet": {**stage, "decompose": ["blocks.*"], "accept_trivial": True},  # so few steps teach nobody anything
            "finetune": stage,
            "space": {"stages": {"all": ["*"]}, "dimensions": DIMENSIONS},
            "scores": {
                "feature_network": judge,
                "segmenter": judge,
                "latency": {"device": settings["device"], "warmup": 3 if tiny else 20, "runs": 5 if tiny else 50, "patience_s": 2},
            },
            "search": {"batch_size": 4 if tiny else 16},
            "tracking": {"enabled": False},
            **changes,
        }
    )


class Built:
    """The experiment's parts with fresh weights, on the CPU."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.device = torch.device(settings["device"])
        self.experiment = experiment_of(settings)
        self.data = build_data(self.experiment)
        self.example = example_input(self.data)
        self.generator = build_generator(self.experiment, self.data).eval()

    @cached_property
    def supernet(self) -> Supernet:
        """The generator as a supernet."""
        made = Supernet.convert(self.generator, self.example, decompose=("blocks.*",), watch=self.experiment.losses.distillation_layers)
        return made.eval().requires_grad_(False)

    @cached_property
    def space(self) -> Space:
        """The space over it."""
        return Space.build(self.experiment.space, self.supernet)

    def candidates(self, count: int) -> list[Any]:
        """Return the largest subnet, the smallest, and as many others as there must be."""
        draw = random.Random(0)
        drawn = [self.space.largest(), self.space.smallest(), *(self.space.sample(draw) for _ in range(count - 2))]
        return [self.space.candidate(one) for one in drawn]
