"""Another device than the CPU, made of the CPU: its tensors say that they are elsewhere, and meet those of the CPU in no operator.

Values are real, so whole programs run on it, their control flow with them; but indices that PyTorch itself moves there (a list in
brackets, ``torch.tensor(..., device=...)``) have none, so numbers are compared only where there are no such. What a GPU refuses is
refused: an operator whose tensors are on two devices (but for a scalar of no axes, and indices on the CPU), and a NumPy array of what is
not on the CPU.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

MOVES = ("aten::_to_copy", "aten::copy_", "aten::to")
# Their indices may be on the CPU.
INDEXED = ("aten::index", "aten::index_put_", "aten::index_put", "aten::_index_put_impl_")


class DeviceMixError(AssertionError):
    """Tensors of two devices in one operator, which a GPU refuses."""


class There(Tensor):
    """A tensor elsewhere; ``held`` has its values."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor, device: torch.device) -> There:
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=device,
            requires_grad=held.requires_grad,
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run_operator(func, args, kwargs or {}, next(one.device for one in tree_leaves((args, kwargs)) if isinstance(one, There)))


def run_operator(func: Any, args: Any, kwargs: dict[str, Any], there: torch.device) -> Any:
    """Run an operator on the values, and say where its results are."""
    name = func._schema.name
    given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
    to = kwargs.get("device")
    if name in MOVES:
        goes = isinstance(args[0], There) if name == "aten::copy_" or to is None else torch.device(to).type == there.type
    elif any(isinstance(one, There) for one in given):
        checked = [args[0], *tree_leaves(args[2:])] if name in INDEXED else given
        here = [one for one in checked if isinstance(one, Tensor) and not isinstance(one, There) and one.ndim]
        if here:
            raise DeviceMixError(f"{func} of tensors on {there} and on the CPU: {[tuple(one.shape) for one in here]}")
        goes = True
    else:
        goes = to is not None and torch.device(to).type == there.type
    if to is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    if kwargs.get("pin_memory"):
        kwargs = {**kwargs, "pin_memory": False}
    given_out = kwargs.get("out")
    made = func(*tree_map(_held, args), **tree_map(_held, kwargs))
    if name.endswith("_") and name not in ("aten::_to_copy",) and isinstance(args[0], Tensor):
        return args[0]
    if isinstance(given_out, Tensor):
        return given_out
    return tree_map(lambda one: There(one, there) if goes and isinstance(one, Tensor) and not isinstance(one, There) else one, made)


def _held(value: Any) -> Any:
    return value.held if isinstance(value, There) else value


class _Moving(TorchDispatchMode):
    """Sees what makes tensors elsewhere of what is not there yet: factories and copies."""

    def __init__(self, device: torch.device) -> None:
        super().__init__()
        self._device = device

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return run_operator(func, args, kwargs or {}, self._device)


@contextlib.contextmanager
def elsewhere() -> Iterator[torch.device]:
    """Have such a device. It goes by the name of ``meta``, the one that PyTorch lets anybody make and derive on without hardware."""
    device = torch.device("meta")
    with _Moving(device):
        yield device
