"""The registry of handlers, and what a handler is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from autogc.supernet.atoms import Atoms, Ids
from autogc.supernet.layout import Layout, simplify

Result = Layout | list[Layout | None]
Handler = Callable[["Call"], Result]

RULES: dict[str, Handler] = {}
"""Handlers by operator name without overload, such as ``convolution``."""


class NoRuleError(Exception):
    """A handler can't say what happens to the atoms; what the operator touches is frozen, for this reason."""


@dataclass(frozen=True)
class Multiplication:
    """One convolution or matrix product. It multiplies ``positions`` times the kept atoms of each of ``factors``, times each element of
    ``tensor`` where it is a weight: a parameter or buffer, ``contracted`` being the axis of it that is summed over."""

    layer: str
    kind: str
    factors: tuple[Ids, ...]
    positions: int
    published: int
    tensor: str | None = None
    contracted: int = 1


@dataclass
class Facts:
    """What handlers note down beside uniting atoms."""

    multiplications: list[Multiplication] = field(default_factory=list)
    notes: list[tuple[Ids, str]] = field(default_factory=list)  # channels that more than weights sum over, and where


@dataclass
class Call:
    """One operator call: arguments by name with a Layout in place of each tensor, and the shapes that came out."""

    name: str
    target: torch._ops.OpOverload
    arguments: dict[str, Any]
    shapes: list[tuple[int, ...] | None]
    layer: str
    atoms: Atoms
    facts: Facts
    constants: dict[int, Tensor]  # by id of the Layout: values of integer tensors that don't depend on the input

    def __getitem__(self, name: str) -> Any:
        return self.arguments[name]

    def get(self, name: str, default: Any = None) -> Any:
        value = self.arguments.get(name)
        return default if value is None else value

    def layout(self, name: str) -> Layout:
        """Return a tensor argument's layout as of now."""
        value = self.arguments[name]
        if not isinstance(value, Layout):
            raise NoRuleError(f"{self.where} without a tensor {name!r}")
        return simplify(value, self.atoms)

    def optional(self, name: str) -> Layout | None:
        """Return a tensor argument's layout, or None where it wasn't given."""
        return self.layout(name) if isinstance(self.arguments.get(name), Layout) else None

    def tensors(self) -> list[Layout]:
        """Return the layouts of all tensor arguments, in order."""
        found: list[Layout] = []
        for value in self.arguments.values():
            found += [item for item in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(item, Layout)]
        return [simplify(layout, self.atoms) for layout in found]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the first output."""
        assert self.shapes[0] is not None
        return self.shapes[0]

    @property
    def where(self) -> str:
        return f"operator aten.{self.name} in {self.layer or 'the top module'}"

    @property
    def over_positions(self) -> str:
        """Why channels that were moved to an axis of positions (or to the batch) can't be dropped."""
        return f"{self.where} runs over them as over positions"


def register(*names: str) -> Callable[[Handler], Handler]:
    """Return a decorator that registers a handler for operators."""

    def decorate(handler: Handler) -> Handler:
        for name in names:
            assert name not in RULES, f"operator {name} has two rules"
            RULES[name] = handler
        return handler

    return decorate


def rule_for(target: torch._ops.OpOverload) -> Handler | None:
    """Return the handler of an operator: its own, or the one for pointwise operators where ATen tags it so."""
    name = operator_name(target)
    if name in RULES:
        return RULES[name]
    return RULES["pointwise"] if torch.Tag.pointwise in target.tags else None


def operator_name(target: torch._ops.OpOverload) -> str:
    """Return ``convolution`` for ``aten.convolution.default``; an in-place operator has its functional form's name."""
    name = target._schema.name.split("::")[1]
    return name[:-1] if name.endswith("_") and not name.startswith("__") else name
