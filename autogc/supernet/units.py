"""Find the parts of a generator that can be left out: those that map a tensor to one of the same shape."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from autogc.errors import ConversionError, nearest
from autogc.supernet.groups import Unit
from autogc.supernet.layers import LAYER_TYPES, replace_module
from autogc.supernet.operators import quantize_input


@dataclass(frozen=True)
class FoundUnits:
    """The units of a generator in execution order, and of every other part that maps a tensor to one of another shape, or can't be left
    out for another reason, which it is."""

    units: tuple[Unit, ...]
    reasons: Mapping[str, str]

    def matching(self, patterns: Sequence[str]) -> tuple[Unit, ...]:
        """Return the units whose names match any of ``patterns`` (fnmatch). Raises ConversionError for a pattern that matches none."""
        names = [unit.name for unit in self.units]
        for pattern in patterns:
            if not any(fnmatch(name, pattern) for name in names):
                matched = [f"{name} {reason}" for name, reason in self.reasons.items() if fnmatch(name, pattern)]
                shown = "; ".join(matched[:3]) + (f"; and {len(matched) - 3} more" if len(matched) > 3 else "")
                why = shown or (nearest(pattern, names) if names else "this generator has no such part")
                raise ConversionError(f"supernet.skip: {pattern!r} matches nothing that can be left out: {why}")
        return tuple(unit for unit in self.units if any(fnmatch(unit.name, pattern) for pattern in patterns))


@torch.no_grad()
def find_units(module: nn.Module, example: Tensor) -> FoundUnits:
    """Return what of ``module`` could be left out, seen in one run of ``example`` (N, C, H, W) in evaluation mode.

    A unit is a module that is called once, holds weights of convolutions or linear layers, and whose output has the shape of its first
    argument. Which of nested ones it is:

    * a module that computes its output itself, as a residual block does, is a unit whole, and nothing inside it is;
    * a module whose output is a part's (``nn.Sequential``) gives way to the units in it, unless it is one layer and what is around it;
    * a single layer is a unit together with what has no weights of this kind and alone follows it, one after the other (norms,
      activations), and with the padding before it, where that makes its shape the same;
    * what holds more than half of the generator's layers is none.

    The module is not changed.
    """
    return _Search(module, _Watch(module).run(example)).found()


@dataclass
class _Call:
    """One call of a module. ``source`` and ``made`` say which tensors its first argument and its output are, None for other things."""

    name: str
    start: int
    end: int = 0
    inputs: int = 1
    source: int | None = None
    made: int | None = None
    shapes: tuple[tuple[int, ...], ...] = ()
    own: bool = False  # its output is not a part's

    @property
    def same(self) -> bool:
        """Whether a tensor of some shape becomes another of this shape."""
        return self.source is not None and self.made is not None and self.shapes[0] == self.shapes[1]


class _Watch:
    """The calls of every module in one run, with a token on every tensor that goes in or comes out of one."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._clock = itertools.count()
        self._open: list[_Call] = []
        self._tokens: MutableMapping[Tensor, int] = WeakTensorKeyDictionary()
        self.calls: dict[str, list[_Call]] = {}

    def run(self, example: Tensor) -> dict[str, list[_Call]]:
        modes = [(part, part.training) for part in self._module.modules()]
        handles = []
        try:
            for name, part in self._module.named_modules():
                handles.append(part.register_forward_pre_hook(self._enter(name), with_kwargs=True))
                handles.append(part.register_forward_hook(self._leave))
            with torch.random.fork_rng(devices=[]):
                self._module.eval()(example)
        except Exception as error:  # a user's forward may raise anything
            raise ConversionError(f"the generator doesn't run on its example input: {type(error).__name__}: {error}") from error
        finally:
            for handle in handles:
                handle.remove()
            for part, training in modes:
                part.training = training
        return self.calls

    def _enter(self, name: str) -> Callable[..., None]:
        def hook(part: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            call = _Call(name, next(self._clock), inputs=len(args) + len(kwargs))
            if args and isinstance(args[0], Tensor):
                call.source, call.shapes = self._tokens.setdefault(args[0], next(self._clock)), (tuple(args[0].shape),)
            self._open.append(call)

        return hook

    def _leave(self, part: nn.Module, args: Any, output: Any) -> None:
        call = self._open.pop()
        if isinstance(output, Tensor) and call.source is not None:
            call.own = self._tokens.get(output, -1) < call.start  # also what is changed in place and given back
            if call.own:
                self._tokens[output] = next(self._clock)
            call.made, call.shapes = self._tokens[output], (*call.shapes, tuple(output.shape))
        call.end = next(self._clock)
        self.calls.setdefault(call.name, []).append(call)


class _Search:
    def __init__(self, module: nn.Module, calls: Mapping[str, list[_Call]]) -> None:
        self._parts = dict(module.named_modules())
        self._calls = calls
        self._names: dict[int, list[str]] = {}
        for name, part in module.named_modules(remove_duplicate=False):
            self._names.setdefault(id(part), []).append(name)
        self._holders: dict[int, list[str]] = {}
        for name, part in self._parts.items():
            for tensor in [*part._parameters.values(), *part._buffers.values()]:
                if tensor is not None:
                    self._holders.setdefault(id(tensor), []).append(name)
        self._layers = [name for name, part in self._parts.items() if isinstance(part, LAYER_TYPES) and name in calls]
        self._once = [found[0] for found in calls.values() if len(found) == 1]
        self._reasons: dict[str, str] = {}

    def found(self) -> FoundUnits:
        found: list[tuple[_Call, _Call, Unit]] = []
        for first, last, unit in self._inside(""):
            reason = self._unfit(unit)
            if reason is None:
                found.append((first, last, unit))
            else:
                self._reasons[unit.name] = reason
        found.sort(key=lambda one: one[0].start)
        units = tuple(unit for _, _, unit in found)
        return FoundUnits(units, {name: reason for name, reason in self._reasons.items() if name not in {unit.name for unit in units}})

    def _inside(self, name: str) -> list[tuple[_Call, _Call, Unit]]:
        """Return the units of a module or, where it is none, in it, with their first and last calls."""
        part = self._parts[name]
        if name in self._layers:
            return self._run(name)
        children = [f"{name}.{child}".lstrip(".") for child in part._modules if part._modules[child] is not None]
        inside = [unit for child in children if child in self._parts for unit in self._inside(child)]
        layers = [layer for layer in self._layers if layer.startswith(f"{name}.")]
        if not name or not layers or name not in self._calls:
            return inside
        if self._called(name) is None:
            return inside
        call = self._calls[name][0]
        whole = (call, call, Unit(name, (name,), call.inputs))
        if 2 * len(layers) > len(self._layers):
            self._reasons[name] = "holds more than half of the generator's layers"
            return inside
        if call.own or not inside:
            return [whole]
        # Around one layer and what follows it: the whole. Around one block, which has a name of its own among its like: the block.
        around = len(inside) == 1 and inside[0][2].name in self._layers
        return [whole] if around and (inside[0][0].source, inside[0][1].made) == (call.source, call.made) else inside

    def _called(self, name: str) -> _Call | None:
        """Return a module's call where it is one and maps a tensor to one of its shape; else None, and say why."""
        calls = self._calls[name]
        if len(calls) > 1:
            self._reasons[name] = f"is called {len(calls)} times"
        elif not calls[0].same:
            shapes = calls[0].shapes
            to = (
                " to ".join("x".join(map(str, shape[1:])) for shape in shapes)
                if len(shapes) == 2
                else "other things than one tensor to one"
            )
            self._reasons[name] = f"maps {to}"
        else:
            return calls[0]
        return None

    def _run(self, layer: str) -> list[tuple[_Call, _Call, Unit]]:
        """Return the unit that a layer makes with what is before and behind it; none where the shapes at its ends differ."""
        calls = self._calls[layer]
        if len(calls) > 1 or calls[0].source is None or calls[0].made is None:
            self._called(layer)
            return []
        run = [calls[0]]
        if not calls[0].same:
            before = [one for one in self._plain() if one.made == calls[0].source and one.end < calls[0].start]
            run[:0] = sorted(before, key=lambda one: one.start)[:1]
        while True:
            behind = [one for one in self._plain() if one.source == run[-1].made and one.start > run[-1].end and one.same]
            if not behind:
                break
            run.append(min(behind, key=lambda one: one.start))
        if run[0].shapes[0] != run[-1].shapes[1]:
            self._called(layer)
            return []
        return [(run[0], run[-1], Unit(layer, tuple(call.name for call in run), run[0].inputs))]

    def _plain(self) -> Iterable[_Call]:
        """Return the calls of modules of one tensor, called once, that hold no layers."""
        return (
            call
            for call in self._once
            if call.name
            and call.inputs == 1
            and call.made is not None
            and not any(layer == call.name or layer.startswith(f"{call.name}.") for layer in self._layers)
        )

    def _unfit(self, unit: Unit) -> str | None:
        for name, part in self._parts.items():
            if not unit.holds(name):
                continue
            others = [other for other in self._names[id(part)] if not unit.holds(other)]
            if others or (name in unit.modules and len(self._names[id(part)]) > 1):
                return f"holds a module of several names ({', '.join(self._names[id(part)])})"
            if any(hook is not quantize_input for hook in part._forward_pre_hooks.values()) or part._forward_hooks:
                return "has hooks of its own, which would be lost"
            for leaf, tensor in [*part._parameters.items(), *part._buffers.items()]:
                sharing = [other for other in self._holders.get(id(tensor), ()) if not unit.holds(other)] if tensor is not None else []
                if sharing:
                    return f"shares its {leaf} with {', '.join(sharing)}"
        return None


def check_watched(watch: Sequence[str], units: Sequence[Unit]) -> None:
    """Raise ConversionError for a watched module inside a unit, which has no output where the unit is left out."""
    for name in watch:
        for unit in units:
            if unit.holds(name) and name not in unit.modules:
                raise ConversionError(
                    f"losses.distillation_layers: {name!r} lies inside {unit.name!r}, which supernet.skip lets subnets leave out; "
                    f"{unit.modules[-1]!r} itself works"
                )


class FirstInput(nn.Module):
    """What takes the place of a left-out module of several inputs: it gives back the first."""

    def forward(self, x: Tensor, *others: Any, **named: Any) -> Tensor:
        return x


def identity(unit: Unit, module: str) -> nn.Module:
    """Return what takes the place of one of a unit's modules."""
    return FirstInput() if module == unit.modules[0] and unit.inputs > 1 else nn.Identity()


@contextmanager
def identities(module: nn.Module, units: Iterable[Unit]) -> Iterator[None]:
    """Put what ``identity`` gives in the units' place in every run inside, and the units back."""
    before = [(unit, name, module.get_submodule(name)) for unit in units for name in unit.modules]
    try:
        for unit, name, _ in before:
            replace_module(module, name, identity(unit, name))
        yield
    finally:
        for _, name, part in before:
            replace_module(module, name, part)


def without(tensors: Mapping[str, Tensor], units: Sequence[Unit]) -> dict[str, Tensor]:
    """Return the tensors that are no units' own."""
    return {name: tensor for name, tensor in tensors.items() if not any(unit.holds(name) for unit in units)}


@contextmanager
def skipping(module: nn.Module, units: Iterable[Unit]) -> Iterator[None]:
    """Leave out units of ``module`` in every run inside: their modules give back their first argument. Restored whatever happens."""
    parts = [module.get_submodule(name) for unit in units for name in unit.modules]
    before = [(part, vars(part).get("forward")) for part in parts]
    try:
        for part in parts:
            part.forward = _first  # type: ignore[method-assign]
        yield
    finally:
        for part, own in before:
            if own is None:
                vars(part).pop("forward", None)
            else:
                part.forward = own


def _first(x: Any, *others: Any, **named: Any) -> Any:
    return x
