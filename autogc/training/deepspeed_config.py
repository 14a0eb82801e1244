"""The DeepSpeed configuration of a stage: the user's, whole, with what is absent filled in."""

from __future__ import annotations

import copy
from typing import Any

from autogc.config.experiment import Optimization
from autogc.errors import ConfigError
from autogc.training.deepspeed_keys import unknown_keys

MAX_ZERO_STAGE = 2
ADAM_TYPES = ("adam", "adamw")
# The parts of a configuration that this file reads or fills in.
SECTIONS = ("optimizer", "scheduler", "zero_optimization", "bf16", "fp16", "torch_autocast", "data_types")


def complete(config: Optimization, *, workers: int) -> dict[str, Any]:
    """Return ``config.deepspeed`` with batch sizes, optimizer, ZeRO stage and clipping added where it says nothing of them.

    ``config.batch_size`` is the number of images of one optimizer step, over all workers and accumulated passes.
    Raises ConfigError, naming every problem, for what this training cannot do.
    """
    found = copy.deepcopy(config.deepspeed)
    problems = _problems(found) + (_muon_problems(found) if config.optimizer == "muon" else [])
    accumulation = found.setdefault("gradient_accumulation_steps", 1)
    if not problems and config.batch_size % (workers * accumulation):
        problems.append(
            f"batch_size {config.batch_size} cannot be shared evenly by {workers} workers with gradient_accumulation_steps {accumulation}: "
            f"choose a multiple of {workers * accumulation}"
        )
    if problems:
        raise ConfigError(problems)
    sizes = {"train_batch_size": config.batch_size, "train_micro_batch_size_per_gpu": config.batch_size // (workers * accumulation)}
    for key, size in sizes.items():
        if found.setdefault(key, size) != size:
            problems.append(
                f"deepspeed.{key} is {found[key]}, but batch_size {config.batch_size} on {workers} workers with "
                f"gradient_accumulation_steps {accumulation} makes it {size}: leave it out, or set batch_size"
            )
    if problems:
        raise ConfigError(problems)
    if config.optimizer == "adam":
        _fill_optimizer(found, config)
    zero = found.setdefault("zero_optimization", {})
    # DeepSpeed's bf16 keeps float32 master weights that can be read back by name from stage 1 on; on one process stage 1 is stage 0.
    zero.setdefault("stage", 1 if _enabled(found, "bf16") else 0)
    if _enabled(found, "bf16"):
        # Batch normalisation refuses parameters of one dtype beside statistics of another.
        found.setdefault("data_types", {}).setdefault("buffer_dtype", "bf16")
    # DeepSpeed clips at 1.0 where nothing is said, which would hold back the L1 term's gradients.
    found.setdefault("gradient_clipping", 0.0)
    found.setdefault("steps_per_print", None)
    return found


def _problems(found: dict[str, Any]) -> list[str]:
    problems = unknown_keys(found)
    problems += [
        f"deepspeed.{name} must be a section of keys and values, got {found[name]!r}"
        for name in SECTIONS
        if name in found and not isinstance(found[name], dict)
    ]
    optimizer = _section(found, "optimizer")
    if not isinstance(optimizer.get("params", {}), dict):
        problems.append(f"deepspeed.optimizer.params must be a section of keys and values, got {optimizer['params']!r}")
    accumulation = found.get("gradient_accumulation_steps", 1)
    if not isinstance(accumulation, int) or isinstance(accumulation, bool) or accumulation < 1:
        problems.append(f"deepspeed.gradient_accumulation_steps must be a positive number, got {accumulation!r}")
    stage = _section(found, "zero_optimization").get("stage", 0)
    if stage not in range(MAX_ZERO_STAGE + 1):
        problems.append(
            f"deepspeed.zero_optimization.stage {stage!r} is not supported: 0, 1 and 2 are. Stage 3 scatters the parameters, "
            "which a supernet slices anew for every candidate"
        )
    if _enabled(found, "bf16") and _section(found, "zero_optimization").get("stage", 1) == 0:
        problems.append("deepspeed.bf16 needs zero_optimization.stage 1 or 2, or none (then autogc says 1)")
    if _enabled(found, "fp16"):
        problems.append(
            "deepspeed.fp16 is not supported: its loss scaling skips steps, and GAN losses overflow it; use bf16, or torch_autocast"
        )
    return problems


def _muon_problems(found: dict[str, Any]) -> list[str]:
    problems = []
    if "optimizer" in found:
        problems.append("deepspeed.optimizer and optimizer: muon exclude each other: leave one of them out")
    if _enabled(found, "bf16") or _section(found, "zero_optimization").get("stage", 0) != 0:
        problems.append(
            "optimizer: muon needs whole weight matrices, which ZeRO 1 and 2 (and bf16, which is built on them) take apart: "
            "use zero_optimization.stage 0, with torch_autocast for bfloat16, or optimizer: adam"
        )
    return problems


def _fill_optimizer(found: dict[str, Any], config: Optimization) -> None:
    optimizer = found.setdefault("optimizer", {"type": "Adam"})
    params = optimizer.setdefault("params", {})
    params.setdefault("lr", config.learning_rate)
    kind = str(optimizer.get("type", "")).lower()
    if kind in ADAM_TYPES:
        params.setdefault("betas", list(config.betas))
        # PyTorch's own Adam: DeepSpeed's fused one wants a compiler at first use.
        params.setdefault("torch_adam", True)
    if kind == "adam":
        # Otherwise DeepSpeed makes AdamW of it, with PyTorch's default weight decay of 0.01.
        params.setdefault("adam_w_mode", False)
        params.setdefault("weight_decay", 0.0)


def _section(found: dict[str, Any], name: str) -> dict[str, Any]:
    section = found.get(name)
    return section if isinstance(section, dict) else {}


def _enabled(found: dict[str, Any], name: str) -> bool:
    return bool(_section(found, name).get("enabled", False))
