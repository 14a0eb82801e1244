"""From a generator to the module that a supernet slices: a copy with plain weights, its channels ordered by importance."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from autogc.errors import ConversionError, nearest
from autogc.supernet.groups import Discovery
from autogc.supernet.importance import class_importance, criterion
from autogc.supernet.parametrizations import detach_computed, fold
from autogc.supernet.statistics import statistics_of


def plain_copy(generator: nn.Module, watch: Sequence[str]) -> tuple[nn.Module, tuple[str, ...]]:
    """Return a deep copy whose parametrized weights are folded into plain ones, and their names.

    Raises ConversionError for a ``watch`` that names no module, and for lazy layers, which have no shapes yet.
    """
    names = dict(generator.named_modules())
    for name in watch:
        if name not in names:
            raise ConversionError(f"the generator has no module {name!r} to distil from: {nearest(name, names)}")
    for name, tensor in [*generator.named_parameters(), *generator.named_buffers()]:
        if is_lazy(tensor):
            raise ConversionError(f"the generator's {name!r} has no shape yet: run a lazy module once before it is converted")
    detach_computed(generator)
    module = copy.deepcopy(generator)
    return module, fold(module)


def order_channels(module: nn.Module, discovery: Discovery, importance: str) -> None:
    """Permute each group's channels, most important first: the function stays the same, prefixes become the best subsets."""
    score = criterion(importance)
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    with torch.no_grad():
        for group in discovery.groups:
            ranks = class_importance(group, discovery, tensors, score=score)
            order = torch.argsort(ranks, descending=True, stable=True)
            for member in group.members:
                tensor = tensors[member.tensor]
                positions = torch.tensor(member.positions, device=tensor.device)
                source = torch.arange(tensor.shape[member.axis], device=tensor.device)
                source[positions.flatten()] = positions[order.to(tensor.device)].flatten()
                tensor.copy_(tensor.index_select(member.axis, source))


@torch.no_grad()
def check_unchanged(generator: nn.Module, module: nn.Module, example_input: Tensor) -> None:
    """Raise ConversionError where the copy makes other images than the generator, or where what it makes is no image."""
    modes = [(part, part.training) for root in (generator, module) for part in root.modules()]
    try:
        outputs = []
        for root in (generator, module):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)  # generators that draw noise draw the same
                outputs.append(root.eval()(example_input))
        expected, found = outputs
    finally:
        for part, training in modes:
            part.training = training
    if not isinstance(expected, Tensor):
        raise ConversionError(f"a generator makes one tensor of images (N, C, H, W); this one returns a {type(expected).__name__}")
    difference = float((expected - found).abs().max())
    limit = 1e-3 * max(1.0, float(expected.abs().max()))
    if not difference <= limit:
        raise ConversionError(
            f"ordering the channels by importance changed the generator's output by {difference:.2e}: "
            "a channel group was discovered wrongly; set supernet.importance to 'position' and report this generator"
        )


def own_statistics(module: nn.Module, example_input: Tensor) -> tuple[str, ...]:
    """Return the buffers that training changes and that are no batch or instance norm's: nothing recalibrates them for a subnet."""
    calibrated = set(statistics_of(module))
    others = [name for name, buffer in module.named_buffers() if buffer.is_floating_point() and name not in calibrated]
    if not others:
        return ()
    trial = copy.deepcopy(module).train()
    before = {name: buffer.clone() for name, buffer in trial.named_buffers()}
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            trial(torch.cat([example_input, -example_input]))
    except Exception:  # what a forward pass in training refuses, training will tell
        return ()
    return tuple(name for name, buffer in trial.named_buffers() if name in others and not torch.equal(buffer, before[name]))
