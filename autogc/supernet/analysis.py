"""Walk a traced graph and unite the atoms of everything that it ties together."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from autogc.supernet.atoms import Atoms
from autogc.supernet.layout import Layout, align, from_vectors, pin, settle, simplify
from autogc.supernet.rules import Call, NoRuleError, rule_for
from autogc.supernet.rules.registry import Facts, operator_name
from autogc.supernet.trace import LAYER, Trace

CONSTANT_LIMIT = 1 << 22  # elements of an integer tensor whose value is followed


@dataclass(frozen=True)
class Analysis:
    """The atoms after the walk, and where parameters, buffers and watched outputs hold them."""

    atoms: Atoms
    tensors: dict[str, Layout]
    used: tuple[str, ...]  # parameters and buffers that the forward pass reads, in order of first use
    watched: dict[str, Layout]
    facts: Facts


def analyse(traced: Trace) -> Analysis:
    """Unite atoms over the whole graph; inputs and outputs are fixed."""
    walk = _Walk(traced)
    walk.run()
    return Analysis(walk.atoms, walk.tensors, tuple(walk.used), walk.watched, walk.facts)


class _Walk:
    def __init__(self, traced: Trace) -> None:
        self.traced = traced
        self.atoms = Atoms()
        self.facts = Facts()
        self.values: dict[fx.Node, Any] = {}
        self.constants: dict[int, Tensor] = {}
        self.tensors: dict[str, Layout] = {}
        self.used: dict[str, None] = {}
        self.watched: dict[str, Layout] = {}
        self.live = _live(traced.graph)

    def run(self) -> None:
        placeholders = 0
        for node in self.traced.graph.graph.nodes:
            if node not in self.live and node.op != "placeholder":
                continue
            if node.op == "placeholder":
                name = self.traced.names[placeholders] if placeholders < len(self.traced.names) else None
                self.values[node] = self._placeholder(node, name)
                placeholders += 1
            elif node.op == "get_attr":
                self.values[node] = self._constant(node)
            elif node.op == "output":
                self._outputs(node)
            elif node.target is operator.getitem:
                container, index = node.args
                self.values[node] = self.values[container][index]
            elif isinstance(node.target, torch._ops.OpOverload):
                self.values[node] = self._call(node)
            else:
                self.values[node] = self._unknown(node, f"{node.target} in {node.meta.get(LAYER, '')}")

    def _placeholder(self, node: fx.Node, name: str | None) -> Layout:
        shape = tuple(node.meta["val"].shape)
        if name is None:
            return Layout(shape)
        value = self.traced.values[name]
        if not value.is_floating_point():  # a table of indices, or a counter
            layout = Layout(shape, origin=name)
            if value.numel() <= CONSTANT_LIMIT:
                self.constants[id(layout)] = value.cpu()
        else:
            vectors = {axis: self.atoms.allocate(size, (name, axis)) for axis, size in enumerate(shape)}
            for axis in range(len(shape) - 2, len(shape)) if len(shape) > 3 else ():
                self.atoms.freeze(vectors[axis])  # a kernel's, or a learned picture's, height and width
            layout = from_vectors(shape, vectors, origin=name)
        self.tensors[name] = layout
        if any(user in self.live for user in node.users):
            self.used[name] = None
        return layout

    def _constant(self, node: fx.Node) -> Layout:
        value = getattr(self.traced.graph, str(node.target))
        reason = "it meets a constant tensor that is neither a parameter nor a buffer, which can't be sliced"
        layout = Layout(tuple(value.shape), reason=reason)
        if not value.is_floating_point() and value.numel() <= CONSTANT_LIMIT:
            self.constants[id(layout)] = value.cpu()
        return layout

    def _outputs(self, node: fx.Node) -> None:
        flat = [self.values[leaf] for leaf in pytree.tree_leaves(node.args) if isinstance(leaf, fx.Node)]
        watched, tied = len(self.traced.watched), 2 * self.traced.tied
        ends = flat[len(flat) - tied :]
        for first, last in zip(ends[::2], ends[1::2], strict=True):
            align([first, last], self.atoms)  # as a residual connection would
        for name, layout in zip(self.traced.watched, flat[self.traced.outputs : self.traced.outputs + watched], strict=True):
            self.watched[name] = settle(simplify(layout, self.atoms), 1, self.atoms) if len(layout.shape) > 1 else layout
        for layout in flat[: self.traced.outputs]:
            pin(simplify(layout, self.atoms), range(len(layout.shape)), self.atoms)

    def _call(self, node: fx.Node) -> Any:
        target = node.target
        assert isinstance(target, torch._ops.OpOverload)
        values = node.meta.get("val")
        shapes = [
            tuple(value.shape) if isinstance(value, Tensor) else None
            for value in (values if isinstance(values, (list, tuple)) else [values])
        ]
        if not any(shape is not None for shape in shapes):
            return None
        call = Call(
            operator_name(target),
            target,
            self._arguments(node),
            shapes,
            str(node.meta.get(LAYER, "")),
            self.atoms,
            self.facts,
            self.constants,
        )
        given = dict(call.arguments)
        handler = rule_for(target)
        if handler is None:
            return self._unknown(node, f"{call.where} has no rule")
        try:
            result = handler(call)
        except NoRuleError as reason:
            return self._unknown(node, str(reason))
        if isinstance(result, Layout):
            self._evaluate(target, given, result)
        return result

    def _arguments(self, node: fx.Node) -> dict[str, Any]:
        def value(leaf: Any) -> Any:
            return self.values[leaf] if isinstance(leaf, fx.Node) else leaf

        schema = node.target._schema.arguments  # type: ignore[union-attr]
        found = {argument.name: argument.default_value for argument in schema}
        given = fx.map_arg((node.args, node.kwargs), value)
        found.update({argument.name: item for argument, item in zip(schema, given[0], strict=False)})
        found.update(given[1])
        return found

    def _evaluate(self, target: torch._ops.OpOverload, arguments: dict[str, Any], result: Layout) -> None:
        """Follow the value of an integer tensor that depends on constants only."""
        leaves = [leaf for leaf in pytree.tree_leaves(arguments, is_leaf=lambda leaf: isinstance(leaf, Layout)) if isinstance(leaf, Layout)]
        if (
            result.numel > CONSTANT_LIMIT
            or any(id(leaf) not in self.constants for leaf in leaves)
            or torch.Tag.nondeterministic_seeded in target.tags
        ):
            return
        real = pytree.tree_map(
            lambda leaf: self.constants[id(leaf)] if isinstance(leaf, Layout) else leaf,
            arguments,
            is_leaf=lambda leaf: isinstance(leaf, Layout),
        )
        if "device" in real:
            real["device"] = None
        positional = [real[argument.name] for argument in target._schema.arguments if not argument.kwarg_only]
        named = {argument.name: real[argument.name] for argument in target._schema.arguments if argument.kwarg_only}
        with torch.no_grad():
            value = target(*positional, **named)
        if isinstance(value, Tensor) and not value.is_floating_point():
            self.constants[id(result)] = value

    def _unknown(self, node: fx.Node, reason: str) -> Any:
        """Freeze everything that an operator without a rule touches."""
        for leaf in pytree.tree_leaves((node.args, node.kwargs)):
            layouts = self.values[leaf] if isinstance(leaf, fx.Node) else None
            for layout in layouts if isinstance(layouts, list) else [layouts]:
                if isinstance(layout, Layout):
                    pinned = simplify(layout, self.atoms)
                    for block in pinned.blocks:
                        self.atoms.freeze(block.ids, reason)
        values = node.meta.get("val")
        if isinstance(values, (list, tuple)):
            return [Layout(tuple(value.shape)) if isinstance(value, Tensor) else None for value in values]
        return Layout(tuple(values.shape)) if isinstance(values, Tensor) else None


def _live(graph: fx.GraphModule) -> set[fx.Node]:
    """Return the nodes that the outputs depend on, and those that write into their arguments: what else is computed is lost."""
    found: set[fx.Node] = set()
    for node in reversed(graph.graph.nodes):
        writes = isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable
        if node.op == "output" or writes or any(user in found for user in node.users):
            found.add(node)
    return found
