"""Prove what can be left out: run subnets without it and compare them with a network that has the identity in its place."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from autogc.supernet.functional import call
from autogc.supernet.groups import Discovery, Unit
from autogc.supernet.units import skipping
from autogc.supernet.verify import Bench


def verify_units(module: nn.Module, example: tuple[Tensor, ...], discovery: Discovery) -> Discovery:
    """Trial-run the discovery's units; return it with those that fail among ``required``, with the reason.

    Each unit is left out alone, in float64 on randomly drawn weights as ``verify`` does it, at full width and with the channel groups
    narrower. What the switch gives must be within 1e-8, relative, of the network that has ``nn.Identity`` in the unit's place (and what the
    removed channels would be cut out), and gradients must flow through it. Then all that have passed are left out together, and in
    turns. The module is not changed.
    """
    if not discovery.units:
        return discovery
    bench = Bench(module, example, discovery)
    groups = [group.name for group in discovery.groups if group.name not in discovery.notes]
    required: dict[str, str] = {}
    passed: list[Unit] = []
    for unit in discovery.units:
        reason = _alone(bench, groups, unit)
        if reason is None:
            passed.append(unit)
        else:
            required[unit.name] = reason
    if len(passed) > 1 and _together(bench, groups, passed) is not None:
        kept: list[Unit] = []
        for unit in passed:
            reason = _together(bench, groups, [*kept, unit])
            if reason is None:
                kept.append(unit)
            else:
                required[unit.name] = f"together with {', '.join(one.name for one in kept)}: {reason}"
        passed = kept
    return replace(discovery, units=tuple(passed), required={**discovery.required, **required})


def _alone(bench: Bench, groups: Sequence[str], unit: Unit) -> str | None:
    return bench.trial([], skip=[unit]) or _gradients(bench, [unit]) or (bench.trial(groups, skip=[unit]) if groups else None)


def _together(bench: Bench, groups: Sequence[str], units: Sequence[Unit]) -> str | None:
    return bench.trial(groups, skip=units) or _gradients(bench, units)


def _gradients(bench: Bench, units: Sequence[Unit]) -> str | None:
    """Return why a subnet without these units can't be trained: what follows one may change in place what came before it."""
    tensors, _ = bench.at(0)
    leaves = {name: tensor.detach().clone().requires_grad_(tensor.is_floating_point()) for name, tensor in tensors.items()}
    losses = []
    try:
        for skip in ((), units):
            losses.append(_descended(bench, leaves, skip))
    except RuntimeError as error:
        # Without the units left out it must work, or the generator is to blame: then nothing is said of them.
        return f"training without it raises {str(error).splitlines()[0][:200]}" if losses else None
    return None


def _descended(bench: Bench, tensors: dict[str, Tensor], skip: Sequence[Unit]) -> Tensor:
    with torch.enable_grad(), torch.random.fork_rng(devices=[]), warnings.catch_warnings(), skipping(bench.module, skip):
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        result = call(bench.module, tensors, bench.inputs)
        loss = result.square().mean()
        torch.autograd.grad(loss, [tensor for tensor in tensors.values() if tensor.requires_grad], allow_unused=True)
    return loss.detach()
