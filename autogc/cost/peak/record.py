"""Which tensors one forward pass holds, operator by operator: storages as they are made, and dropped when their last reference is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True)
class Storage:
    """Memory of one tensor and its views: ``shape`` elements of ``itemsize`` bytes."""

    shape: tuple[int, ...]
    itemsize: int

    @property
    def nbytes(self) -> int:
        """Return its bytes."""
        count = self.itemsize
        for length in self.shape:
            count *= length
        return count


@dataclass
class Call:
    """One call of a watched module: the steps from ``start`` to before ``stop`` are its own; ``held`` are the storages that were there.

    ``source`` and ``made`` are the storages of its first argument and of its output, None where these are no tensors that are followed.
    """

    name: str
    start: int
    held: frozenset[int]
    stop: int = -1
    source: int | None = None
    made: int | None = None


@dataclass
class Recording:
    """``steps[i]`` are the storages (indices into ``storages``) that are held once the i-th operator has run."""

    storages: list[Storage] = field(default_factory=list)
    steps: list[frozenset[int]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    @property
    def peak(self) -> int:
        """Return the most bytes that are held after any operator."""
        return max(sum(self.storages[index].nbytes for index in step) for step in self.steps)


class _Recorder(TorchDispatchMode):
    """Sees every operator below composite ones, as they are in eager mode without gradients.

    Held weakly: what a step holds is what the generator's own code, PyTorch's and the interpreter's still refer to. What a kernel allocates
    for itself and gives back before it returns (reordered copies, columns of an unfolded image) is no tensor, and not seen.
    """

    def __init__(self, own: Iterable[Tensor], example: Tensor) -> None:
        super().__init__()
        self.recording = Recording()
        self._live: dict[int, tuple[StorageWeakRef, int]] = {}
        # Weights, and whatever else was there before: kept alive, so that no address of theirs is given to another storage.
        self._others = {storage._cdata: storage for storage in (tensor.untyped_storage() for tensor in own)}
        self._see(example)

    def held(self) -> frozenset[int]:
        """Return the storages that are there now."""
        for key in [key for key, (storage, _) in self._live.items() if storage.expired()]:
            del self._live[key]
        return frozenset(index for _, index in self._live.values())

    def index_of(self, value: object) -> int | None:
        """Return which storage a tensor has; None of anything else, and of weights."""
        found = self._live.get(value.untyped_storage()._cdata) if isinstance(value, Tensor) else None
        return None if found is None else found[1]

    def _see(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._others or key in self._live:
            return
        whole = tensor.numel() * tensor.element_size() == storage.nbytes()
        shape, itemsize = (tuple(tensor.shape), tensor.element_size()) if whole else ((storage.nbytes(),), 1)
        self._live[key] = (StorageWeakRef(storage), len(self.recording.storages))
        self.recording.storages.append(Storage(shape, itemsize))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        self.held()
        for given in tree_leaves((args, kwargs)):
            if isinstance(given, Tensor):  # a constant that the generator holds beside its parameters and buffers
                storage = given.untyped_storage()
                if storage._cdata not in self._live:
                    self._others.setdefault(storage._cdata, storage)
        made = func(*args, **kwargs)
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor):
                self._see(tensor)
        self.recording.steps.append(self.held())
        return made


@torch.no_grad()
def record(module: nn.Module, example: Tensor, *, watch: Iterable[str] = ()) -> Recording:
    """Run ``module`` on ``example`` (1, C, H, W) and return what it holds when, with the calls of the modules that ``watch`` names.

    Works on real tensors and on fake ones alike. The module must be in evaluation mode.
    """
    recorder = _Recorder([*module.parameters(), *module.buffers()], example)
    with _watching(module, watch, recorder), recorder:
        made = module(example)
    del made
    return recorder.recording


@contextmanager
def _watching(module: nn.Module, names: Iterable[str], recorder: _Recorder) -> Iterator[None]:
    open_calls: list[Call] = []
    calls, steps = recorder.recording.calls, recorder.recording.steps

    def enter(name: str) -> Any:
        def hook(part: nn.Module, args: Any) -> None:
            call = Call(name, len(steps), recorder.held(), source=recorder.index_of(args[0]) if args else None)
            calls.append(call)
            open_calls.append(call)

        return hook

    def leave(part: nn.Module, args: Any, output: Any) -> None:
        call = open_calls.pop()
        call.stop, call.made = len(steps), recorder.index_of(output)

    handles: list[Any] = []
    try:
        for name in names:
            part = module.get_submodule(name)
            handles += [part.register_forward_pre_hook(enter(name)), part.register_forward_hook(leave)]
        yield
    finally:
        for handle in handles:
            handle.remove()
