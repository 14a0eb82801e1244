"""Prove a discovery: run narrower subnets and compare them with an oracle that does not use the slicing."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from autogc.errors import ConversionError
from autogc.supernet.attributes import attributes_following
from autogc.supernet.functional import call
from autogc.supernet.groups import Discovery, Unit
from autogc.supernet.oracle import Kind, choose_kept, draw_state, oracle_state
from autogc.supernet.slices import Slicer
from autogc.supernet.trace import single, state
from autogc.supernet.units import identities, skipping, without
from autogc.supernet.watched import WatchedAxis

TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-4}
GAINS = (1.4, 1.0, 0.7)
SMALLEST_SIDE = 8
# Fewer groups than this are tried alone, which takes no longer.
COMPANY = 4


def verify(module: nn.Module, example: tuple[Tensor, ...], discovery: Discovery) -> Discovery:
    """Trial-run the groups at other widths, alone or in company; return the discovery with those that fail frozen.

    A trial is in float64 on randomly drawn weights, with a random subset of each group's channels, at the smallest image size that
    the module takes. A group passes when its subnets' outputs (and watched features) are within 1e-8, relative, of the
    oracle's. The module is not changed. Groups that ``discovery.notes`` speaks of may meet a weaker oracle (see ``oracle``), so they are
    tried alone; the others together first, then one half of them and the other, and alone only where one of these trials fails.
    """
    bench = Bench(module, example, discovery)
    frozen: dict[str, str] = {}
    proven = _in_company(bench, [group.name for group in discovery.groups if group.name not in discovery.notes])
    for group in discovery.groups:
        reason = None if group.name in proven else bench.trial([group.name])
        if reason is not None:
            frozen[group.name] = reason
    noted = [name for name in frozen if name in discovery.notes]
    if len(noted) > 1 and bench.trial(noted) is None:  # several groups under one normalisation stand or fall together
        frozen = {name: reason for name, reason in frozen.items() if name not in noted}
    passed: list[str] = []
    alone = [group.name for group in discovery.groups if group.name not in frozen]
    if proven == alone or bench.trial(alone) is None:
        passed = alone
    for name in alone if not passed else ():
        reason = bench.trial([*passed, name])
        if reason is None:
            passed.append(name)
        else:
            frozen[name] = f"together with {', '.join(passed)}: {reason}"
    return _without(discovery, frozen)


def _in_company(bench: Bench, names: list[str]) -> list[str]:
    """Return the groups that have passed together, in the order of ``names``: those that the output depends on, or none.

    With random weights an error of one group can't be undone by others, so what passes together is right; that a group has no effect,
    which would prove nothing of it, is told by the gradients of one backward pass.
    """
    if len(names) < COMPANY:
        return []
    company = bench.visible(names)
    halves = company[::2], company[1::2]
    if len(company) < COMPANY or any(bench.trial(part, draw=draw) is not None for draw, part in enumerate((company, *halves))):
        return []
    return company


def _without(discovery: Discovery, frozen: Mapping[str, str]) -> Discovery:
    """Return the discovery without some groups, and their reasons."""
    whole = {name: discovery.group(name).size for name in frozen}
    return replace(
        discovery,
        groups=tuple(group for group in discovery.groups if group.name not in frozen),
        watched={
            name: tuple(None if channel is not None and channel[0] in frozen else channel for channel in channels)
            for name, channels in discovery.watched.items()
        },
        frozen={**discovery.frozen, **frozen},
        notes={name: note for name, note in discovery.notes.items() if name not in frozen},
        products=tuple(replace(one, factors=tuple(length.without(whole) for length in one.factors)) for one in discovery.products),
    )


class Bench:
    """A double-precision copy of the module with drawn weights, and what it gives at full width."""

    def __init__(self, module: nn.Module, example: Sequence[Tensor], discovery: Discovery) -> None:
        self.discovery = discovery
        self.slicer = Slicer(discovery)
        self.watched = {name: WatchedAxis(channels) for name, channels in discovery.watched.items() if channels}
        self.module, self.inputs, self.dtype = _prepared(module, example)
        self.drawn: dict[int, tuple[dict[str, Tensor], list[Tensor]]] = {}

    @torch.no_grad()
    def at(self, index: int) -> tuple[dict[str, Tensor], list[Tensor]]:
        """Return the state drawn with the gain of that index, and the full network's outputs with it."""
        if index not in self.drawn:
            tensors = draw_state(state(self.module), self.discovery, gain=GAINS[index], generator=Generator().manual_seed(index))
            self.drawn[index] = (tensors, self.run(tensors)[0])
        return self.drawn[index]

    def run(self, tensors: Mapping[str, Tensor]) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Return the outputs and the watched features; random numbers in the forward pass are the same each time."""
        features: dict[str, Tensor] = {}
        handles = [self.module.get_submodule(name).register_forward_hook(_keep(features, name)) for name in self.watched]
        try:
            with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.manual_seed(0)
                with _Biased():
                    result = call(self.module, tensors, self.inputs)
        finally:
            for handle in handles:
                handle.remove()
        return [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, Tensor)], features

    def visible(self, names: Sequence[str]) -> list[str]:
        """Return those groups on whose parameters the outputs depend measurably, to first order; none where no gradients can be had."""
        tensors, outputs = self.at(0)
        members = {name: self._sensitive(name, tensors) for name in names}
        leaves = {tensor: tensors[tensor].detach().requires_grad_() for found in members.values() for tensor in found}
        try:
            with torch.enable_grad():
                found, _ = self.run({**tensors, **leaves})
                mixed = torch.stack([(output * torch.randn_like(output)).sum() for output in found]).sum()
            gradients = torch.autograd.grad(mixed, list(leaves.values()), allow_unused=True)
        except Exception:  # a user's forward may hold what has no gradient; then groups are tried alone
            return []
        with torch.no_grad():
            sizes = zip(leaves.items(), gradients, strict=True)
            effects = {name: 0.0 if gradient is None else float((gradient * leaf).abs().sum()) for (name, leaf), gradient in sizes}
        limit = 100 * TOLERANCE[self.dtype] * sum(float(output.abs().max()) * math.sqrt(output.numel()) for output in outputs)
        return [name for name in names if max((effects[tensor] for tensor in members[name]), default=0.0) > limit]

    def _sensitive(self, group: str, tensors: Mapping[str, Tensor]) -> list[str]:
        """Return parameters of a group whose gradients are cheap: scales of its channels, or where it has none its smallest weight."""
        found = {member.tensor for member in self.discovery.group(group).members}
        parameters = [name for name, _ in self.module.named_parameters() if name in found and tensors[name].is_floating_point()]
        scales = [name for name in parameters if tensors[name].ndim == 1 and not name.endswith("bias")]
        return scales or sorted((name for name in parameters if tensors[name].ndim > 1), key=lambda name: tensors[name].numel())[:1]

    def trial(self, names: Sequence[str], *, draw: int = 0, skip: Sequence[Unit] = ()) -> str | None:
        """Narrow these groups and leave out the units of ``skip``; return None if the subnet is right, else what is wrong.

        Another ``draw`` is of other channels. The oracle has the identity in the units' place, and nothing of them.
        """
        noted = any(name in self.discovery.notes for name in names)
        kinds: tuple[Kind, ...] = ("random", "copies", "silent") if noted else ("random",)
        first: str | None = None
        for kind in kinds:
            reason = self._trial(names, kind, draw, skip)
            if reason is None:
                return None
            first = first or reason
        return first

    @torch.no_grad()
    def _trial(self, names: Sequence[str], kind: Kind, draw: int, skip: Sequence[Unit] = ()) -> str | None:
        what = "shorter" if skip else "narrower"
        for index in range(len(GAINS)):
            drawn, full = self.at(index)
            generator = Generator().manual_seed(1000 + 100 * draw + index)
            chosen = {name: choose_kept(self.discovery.group(name), kind, generator=generator) for name in names}
            oracle = oracle_state(drawn, self.discovery, chosen, kind, generator=generator)
            try:
                with identities(self.module, skip):
                    expected, oracle_features = self.run(without(oracle, skip))
            except Exception as error:
                if not skip:
                    raise
                return f"a run with the identity in its place raises {type(error).__name__}: {_short(error)}"
            kept = {name: channels for name, (channels, _) in chosen.items()}
            sliced = self.slicer.slice(drawn, kept)
            try:
                with attributes_following(self.module, sliced), skipping(self.module, skip):
                    found, features = self.run(sliced)
            except Exception as error:  # a user's forward may raise anything at a width that it doesn't expect
                return f"a {what} run raises {type(error).__name__}: {_short(error)}"
            everything = {group.name: kept.get(group.name, torch.arange(group.size)) for group in self.discovery.groups}
            effect = max((_difference(a, b) for a, b in zip(expected, full, strict=True)), default=0.0)
            for name, axis in self.watched.items():
                expected = [*expected, oracle_features[name].index_select(1, axis.index(everything).to(oracle_features[name].device))]
                found = [*found, features[name]]
            if [value.shape for value in found] != [value.shape for value in expected]:
                shapes = [[tuple(value.shape) for value in values] for values in (found, expected)]
                return f"a {what} run gives shapes {shapes[0]} instead of {shapes[1]}"
            difference = max((_difference(a, b) for a, b in zip(found, expected, strict=True)), default=0.0)
            if not difference <= TOLERANCE[self.dtype]:
                other = "network with the identity there" if skip else "full network without these channels"
                return f"a {what} run differs from the {other} by {difference:.1e}"
            if effect > 100 * TOLERANCE[self.dtype]:
                return None
        return "it has no effect on the output that a trial run could see"


class _Biased(TorchDispatchMode):
    """Variances without Bessel's correction, whose factor n / (n - 1) depends on the number of channels and hides whether copies agree."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if any(argument.name == "correction" for argument in func._schema.arguments):
            kwargs["correction"] = 0
        return func(*args, **kwargs)


def _prepared(module: nn.Module, example: Sequence[Tensor]) -> tuple[nn.Module, tuple[Tensor, ...], torch.dtype]:
    """Return an evaluation-mode copy, inputs as small as it takes, and the precision: float64, or float32 where the module insists."""
    failure: Exception | None = None
    for dtype in (torch.float64, torch.float32):
        trial = copy.deepcopy(module).eval().requires_grad_(False).to(dtype)
        reference = next(iter(state(trial).values()), torch.zeros(()))
        for inputs in _sizes(single(example)):
            inputs = tuple(
                value.to(reference.device, dtype) if value.is_floating_point() else value.to(reference.device) for value in inputs
            )
            try:
                with torch.no_grad(), warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    trial(*inputs)
            except Exception as error:  # this size or precision doesn't suit the module; the last error is reported
                failure = error
                continue
            return trial, inputs, dtype
    raise ConversionError(f"the generator doesn't run on its example input: {failure}") from failure


def _sizes(example: tuple[Tensor, ...]) -> list[tuple[Tensor, ...]]:
    """Return the example at ever larger image sizes, up to its own."""
    sides = [side for value in example if value.ndim == 4 for side in value.shape[2:]]
    found = [example]
    factor = 2
    while sides and all(side % factor == 0 and side // factor >= SMALLEST_SIDE for side in sides):
        found.insert(0, tuple(value[..., ::factor, ::factor] if value.ndim == 4 else value for value in example))
        factor *= 2
    return found


def _difference(found: Tensor, expected: Tensor) -> float:
    scale = max(float(expected.abs().max()), 1e-30) if expected.numel() else 1.0
    return float((found - expected).abs().max()) / scale if expected.numel() else 0.0


def _short(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]


def _keep(features: dict[str, Tensor], name: str):  # type: ignore[no-untyped-def]
    def hook(part: nn.Module, inputs: object, output: Tensor) -> None:
        features[name] = output

    return hook
