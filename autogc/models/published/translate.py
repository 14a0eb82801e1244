"""From a checkpoint's tensors to those of a module: wrapping removed, then the importer of the module's family."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from autogc.errors import CheckpointError
from autogc.models.published.differences import differences
from autogc.models.published.imported import IMPORTERS, Imported

# What wrappers put before every name: data parallelism, torch.compile.
PREFIXES = ("module.", "_orig_mod.")


def translate(found: Mapping[str, Tensor], module: nn.Module) -> Imported:
    """Return ``found`` in the names of ``module``, with notes on what was handled.

    Raises CheckpointError where it is of no layout that is known for the module's class, or of another size.
    """
    tensors, notes = _unwrapped(dict(found))
    if not differences(tensors, module.state_dict()):
        return Imported(tensors, notes)
    importer = IMPORTERS.get(type(module))
    if importer is None:
        raise CheckpointError(f"no published layout is known for {type(module).__name__}")
    imported = importer(tensors, module)
    return Imported(imported.tensors, notes + imported.notes)


def _unwrapped(tensors: dict[str, Tensor]) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    notes = []
    while tensors:
        prefix = next((one for one in PREFIXES if all(name.startswith(one) for name in tensors)), None)
        if prefix is None:
            break
        tensors = {name.removeprefix(prefix): tensor for name, tensor in tensors.items()}
        notes.append(f"the prefix {prefix!r} is removed from every name")
    return tensors, tuple(notes)
