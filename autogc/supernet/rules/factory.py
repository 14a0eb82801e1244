"""Operators that make a tensor out of nothing."""

from __future__ import annotations

from autogc.supernet.layout import Layout, from_vectors
from autogc.supernet.rules.registry import Call, Result, register


@register("zeros", "ones", "full", "empty", "rand", "randn", "new_zeros", "new_ones", "new_full", "new_empty", "empty_strided", "bernoulli")
def filled(call: Call) -> Result:
    """Alike everywhere, so as wide as it needs to be: new atoms on every axis (a literal size is found by the trial run)."""
    return fresh(call, call.shape)


def fresh(call: Call, shape: tuple[int, ...]) -> Layout:
    """Return a layout with new atoms on every axis."""
    return from_vectors(shape, {axis: call.atoms.allocate(size) for axis, size in enumerate(shape)})


@register("zeros_like", "ones_like", "full_like", "empty_like", "rand_like", "randn_like", "fill", "zero")
def like(call: Call) -> Result:
    """As wide as another tensor."""
    return call.layout("self").alias()


@register("arange", "linspace", "eye", "scalar_tensor", "tril_indices", "triu_indices", "randint", "randperm")
def counted(call: Call) -> Result:
    """Its values depend on the position: fixed."""
    return Layout(call.shape)
