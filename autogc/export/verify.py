"""A package checked against independent sources: fvcore, the file system, and the supernet that it was taken from."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autogc.cost import fvcore_macs
from autogc.errors import CheckpointError
from autogc.export.package import load_package, unpack_weights
from autogc.export.tensors import named_tensors
from autogc.inference import full_float32
from autogc.supernet.statistics import statistics_of
from autogc.supernet.supernet import Supernet

# Images are in [-1, 1]: far below one step of 8-bit colour (2 / 255).
TOLERANCE = 1e-5


def verify_package(
    directory: str | Path, example: Tensor, *, supernet: Supernet | None = None, source: str | Path | None = None
) -> dict[str, Any]:
    """Read a package back and compare what it says with what it is; return the figures.

    MACs must equal fvcore's count, parameters the module's own, ``storage_bytes`` the size of ``packed.safetensors``, exactly;
    packed and plain weights must be the same bits; with ``supernet``, the images for ``example`` (N, C, H, W) at most 1e-5 apart
    from those of its subnet with the package's running statistics. Both run on the example's device, where the supernet must be. MACs
    are those of one input of the package's own shape; ``example`` may be of another size. ``source`` as for ``load_package``.

    Raises CheckpointError with every mismatch.
    """
    package = load_package(directory, source=source)
    packed = Path(directory) / "packed.safetensors"
    module = package.module
    plain = named_tensors(module)
    unpacked = unpack_weights(directory)
    counted = {
        "macs": fvcore_macs(module, torch.zeros(package.input_shape)),
        "params": sum(parameter.numel() for parameter in module.parameters()),
        "storage_bytes": packed.stat().st_size,
    }
    problems = [
        f"{name} is {counted[name]:,}, costs.json says {package.costs[name]:,}"
        for name in counted
        if name in package.costs and package.costs[name] != counted[name]
    ]
    differing = [name for name in plain if not _same(plain[name], unpacked[name])]
    problems += [f"{name} is not the same in packed.safetensors and weights.safetensors" for name in differing]
    report: dict[str, Any] = dict(counted)
    if supernet is not None:
        report["largest_difference"] = difference = _difference(module, supernet, package.candidate, example)
        if not difference <= TOLERANCE:
            problems.append(f"its images are {difference:.2e} from the supernet's subnet, at most {TOLERANCE:.0e} is allowed")
    if problems:
        raise CheckpointError(f"{directory}: {'; '.join(problems)}")
    return report


def _same(first: Tensor, second: Tensor) -> bool:
    return first.dtype == second.dtype and first.shape == second.shape and first.numpy().tobytes() == second.numpy().tobytes()


def _difference(module: torch.nn.Module, supernet: Supernet, candidate: Any, example: Tensor) -> float:
    """Return the largest absolute difference between the module's images and the supernet's."""
    modes = [(part, part.training) for part in supernet.modules()]
    supernet.eval()
    module.to(example.device)
    try:
        # Full float32 on GPUs, where TF32's 10 bits would drown what is looked for.
        with torch.inference_mode(), full_float32():
            images = []
            for generate in (module, partial(supernet, candidate=candidate, statistics=statistics_of(module))):
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(0)  # generators that draw noise draw the same
                    images.append(generate(example))
            return float((images[0] - images[1]).abs().max())
    finally:
        module.cpu()
        for part, training in modes:
            part.training = training
