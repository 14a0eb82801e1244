"""An extracted subnet's architecture as plain data: the builder that made the full generator, and how the subnet differs from it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from autogc.config.generator import GeneratorConfig
from autogc.errors import CheckpointError
from autogc.export.leaves import Spec, build_leaf, spec_of
from autogc.export.source import builder_of
from autogc.export.tensors import resize, shared_names
from autogc.models import build_completed
from autogc.supernet.operators import QuantizedInput
from autogc.supernet.parametrizations import fold

PLAIN_DATA = (bool, int, float, str, type(None))


def describe(module: nn.Module, generator: GeneratorConfig) -> dict[str, Any]:
    """Return what :func:`build` needs to make ``module`` again, without its weights.

    ``generator`` is the full generator, with everything that its builder was given among its args. Modules of known types
    that differ from what it makes are recorded as a type and arguments (``modules``); of other types only plain attributes and the shapes
    of own tensors may differ (``resized``). Raises CheckpointError for a module that can be told in neither way.
    """
    modules: dict[str, Spec] = {}
    resized: dict[str, dict[str, Any]] = {}
    _compare(module, fresh(generator), "", modules, resized)
    return {
        "builder": builder_of(generator),
        "modules": modules,
        "resized": resized,
        "shared": shared_names(module),
    }


def build(architecture: dict[str, Any], generator: GeneratorConfig) -> nn.Module:
    """Build the module that ``architecture`` describes, with fresh tensors, in evaluation mode.

    ``generator`` is its builder, as :func:`autogc.export.source.generator_of` gives it. Raises ConfigError for a builder that is not
    registered here or a class that can't be built, and CheckpointError for what does not fit the builder's module.
    """
    module = fresh(generator)
    with torch.random.fork_rng(devices=[]):
        for name, spec in architecture["modules"].items():
            parent, _, leaf = name.rpartition(".")
            if not hasattr(_submodule(module, parent), leaf):
                raise CheckpointError(f"architecture.json: the builder makes no module {name!r}")
            setattr(_submodule(module, parent), leaf, build_leaf(spec, built=getattr(_submodule(module, parent), leaf)))
    for name, change in architecture["resized"].items():
        part = _submodule(module, name)
        for attribute, value in change["attributes"].items():
            if not isinstance(vars(part).get(attribute, ...), (*PLAIN_DATA, tuple)):
                raise CheckpointError(f"architecture.json: {name or 'the generator'} has no plain attribute {attribute!r}")
            setattr(part, attribute, tuple(value) if isinstance(value, list) else value)
        for tensor, shape in change["tensors"].items():
            if tensor not in part._parameters and tensor not in part._buffers:
                raise CheckpointError(f"architecture.json: {name or 'the generator'} has no tensor {tensor!r}")
            resize(part, tensor, tuple(shape))
    return module.eval()


def fresh(generator: GeneratorConfig) -> nn.Module:
    """Build the full generator as a supernet has it, its weights plain, without disturbing the caller's random numbers."""
    with torch.random.fork_rng(devices=[]):
        module = build_completed(generator)
    fold(module)
    return module


def _submodule(module: nn.Module, name: str) -> nn.Module:
    try:
        return module.get_submodule(name)
    except AttributeError:
        raise CheckpointError(f"architecture.json: the builder makes no module {name!r}") from None


def _compare(found: nn.Module, full: nn.Module, name: str, modules: dict[str, Spec], resized: dict[str, dict[str, Any]]) -> None:
    spec = spec_of(found)
    if spec is not None:
        if spec != spec_of(full):
            modules[name] = spec
        return
    if isinstance(found, QuantizedInput):  # around a layer that only the builder can make
        modules[name] = {"type": "QuantizedInput", "args": {"layer": None, "bits": found.bits}}
        _compare(found.layer, full, f"{name}.layer", modules, resized)
        return
    where = f"{name or 'the generator'} ({type(found).__name__})"
    if type(found) is not type(full):
        raise CheckpointError(
            f"{where} can't be exported: the builder makes a {type(full).__name__} there, and only modules of torch.nn's convolutions, "
            "linear and normalisation layers (and the supernet's operators) can take another's place"
        )
    if list(found._modules) != list(full._modules):
        raise CheckpointError(f"{where} can't be exported: it holds {list(found._modules)}, the builder makes {list(full._modules)}")
    change = {"attributes": _changed_attributes(found, full), "tensors": _changed_shapes(found, full, where)}
    if any(change.values()):
        resized[name] = change
    for child, part in found._modules.items():
        other = full._modules[child]
        if part is not None and other is not None:
            _compare(part, other, f"{name}.{child}".lstrip("."), modules, resized)


def _changed_attributes(found: nn.Module, full: nn.Module) -> dict[str, Any]:
    changed = {}
    for attribute, value in vars(found).items():
        plain = isinstance(value, PLAIN_DATA) or (isinstance(value, tuple) and all(isinstance(item, PLAIN_DATA) for item in value))
        if plain and attribute != "training" and value != vars(full).get(attribute, value):
            changed[attribute] = list(value) if isinstance(value, tuple) else value
    return changed


def _changed_shapes(found: nn.Module, full: nn.Module, where: str) -> dict[str, list[int]]:
    own, made = (_own_tensors(part) for part in (found, full))
    if own.keys() != made.keys():
        raise CheckpointError(f"{where} can't be exported: it has the tensors {sorted(own)}, the builder makes {sorted(made)}")
    return {name: list(tensor.shape) for name, tensor in own.items() if tensor.shape != made[name].shape}


def _own_tensors(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in (*module._parameters.items(), *module._buffers.items()) if tensor is not None}
