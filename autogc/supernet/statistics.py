"""Running statistics of norm layers, which are a matter of each subnet: those of the full width are wrong for a narrower one.

A subnet is calibrated by running it over some inputs with its norm layers alone in training mode, so that they gather the mean over all
of them (Yu and Huang, Universally Slimmable Networks, ICCV 2019, section 3.4), not an average that forgets.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from autogc.errors import AutogcError

KEPT = ("running_mean", "running_var", "num_batches_tracked")


def keeps_statistics(part: nn.Module) -> bool:
    """Tell whether a module is a batch or instance norm with running statistics, which it uses in evaluation."""
    return isinstance(part, _NormBase) and part.running_mean is not None


def statistics_of(module: nn.Module) -> dict[str, Tensor]:
    """Return copies of a module's running statistics: buffers by qualified name, those of a shared layer once."""
    found = {}
    for name, part in module.named_modules():
        for kept in KEPT if keeps_statistics(part) else ():
            buffer = getattr(part, kept)
            if buffer is not None:
                found[f"{name}.{kept}".lstrip(".")] = buffer.detach().clone()
    return found


@torch.no_grad()
def recalibrate(module: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """Replace the running statistics of a module by those over all of ``batches`` (N, C, H, W), and return it, in evaluation mode.

    A layer's statistics are the average over its calls, each weighted by its samples: at the k-th batch of equal ones the momentum is
    1 / (k + 1). Only the norm layers are in training mode, so dropout stays off. Random numbers that the forward pass draws are the same
    each time. Without norm layers that keep statistics no batch is asked for. Raises AutogcError where there are statistics and no batch,
    or a batch that gives a layer a single value a channel.
    """
    module.eval()
    layers = [part for part in module.modules() if keeps_statistics(part)]
    if not layers:
        return module
    before = [(layer, layer.momentum) for layer in layers]
    handles = [layer.register_forward_pre_hook(_Averaging()) for layer in layers]
    device = next(iter(module.buffers())).device
    ran = False
    try:
        for layer in layers:
            layer.reset_running_stats()  # type: ignore[operator]
            layer.train()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(0)
            for batch in batches:
                module(batch.to(device))
                ran = True
    except ValueError as error:  # torch's word for a batch norm that sees one value a channel
        raise AutogcError(f"the running statistics of a subnet can't be taken: {error}; larger calibration batches work") from error
    finally:
        for handle in handles:
            handle.remove()
        for layer, momentum in before:
            layer.momentum = momentum  # type: ignore[assignment]
        module.eval()
    if not ran:
        raise AutogcError("a generator with running statistics needs calibration inputs, and there are none")
    return module


class _Averaging:
    """A forward pre-hook of one norm layer: the momentum that makes its running statistics the mean over all samples so far."""

    def __init__(self) -> None:
        self.samples = 0

    def __call__(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self.samples += len(inputs[0])
        layer.momentum = len(inputs[0]) / self.samples  # type: ignore[assignment]
