"""Sizes that layers keep as plain attributes, made to follow sliced parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd


@contextmanager
def attributes_following(module: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Set ``groups``, ``in_channels``, ``num_features``, ... of every part of ``module`` to what the shapes of ``tensors`` say.

    ``tensors`` are sliced parameters and buffers by name (shared ones under any of their names). Norm layers without tensors
    follow their input. Whatever happens inside, every attribute is restored.
    """
    names = {id(value): name for name, value in [*module.named_parameters(), *module.named_buffers()]}
    before: list[tuple[nn.Module, str, Any]] = []
    handles = []
    try:
        for part in module.modules():
            own = {
                key: tensors[names[id(value)]]
                for key, value in [*part._parameters.items(), *part._buffers.items()]
                if value is not None and names.get(id(value)) in tensors
            }
            for attribute, value in attributes(part, own).items():
                if getattr(part, attribute) != value:
                    before.append((part, attribute, getattr(part, attribute)))
                    setattr(part, attribute, value)
            if not own and isinstance(part, FOLLOWING_INPUT):
                before += [(part, attribute, getattr(part, attribute)) for attribute in attributes_of_input(part, None)]
                handles.append(part.register_forward_pre_hook(follow_input))
        yield
    finally:
        for handle in handles:
            handle.remove()
        for part, attribute, value in reversed(before):
            setattr(part, attribute, value)


def attributes(part: nn.Module, own: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the attributes of one layer that the shapes of its ``own`` tensors (by local name) determine.

    A depthwise convolution has as many groups as channels; any other grouped one keeps its number of groups.
    """
    weight = own.get("weight")
    if isinstance(part, _ConvNd) and weight is not None:
        transposed = isinstance(part, _ConvTransposeNd)
        groups = part.groups
        if groups > 1 and groups == part.in_channels:
            multiplier = part.out_channels // groups
            groups = weight.shape[0] if transposed else weight.shape[0] // multiplier
        inside, outside = (weight.shape[0], weight.shape[1] * groups) if transposed else (weight.shape[1] * groups, weight.shape[0])
        return {"groups": groups, "in_channels": inside, "out_channels": outside}
    if isinstance(part, nn.Linear) and weight is not None:
        return {"in_features": weight.shape[1], "out_features": weight.shape[0]}
    if isinstance(part, _NormBase) and own:
        sized = weight if weight is not None else own.get("running_mean")
        return {} if sized is None else {"num_features": sized.shape[0]}
    if isinstance(part, (nn.LayerNorm, nn.RMSNorm)) and weight is not None:
        return {"normalized_shape": tuple(weight.shape)}
    if isinstance(part, nn.GroupNorm) and weight is not None:
        groups = weight.shape[0] if part.num_groups == part.num_channels else part.num_groups
        return {"num_channels": weight.shape[0], "num_groups": groups}
    if isinstance(part, nn.PReLU) and weight is not None:
        return {"num_parameters": weight.shape[0]}
    if isinstance(part, nn.Embedding) and weight is not None:
        return {"num_embeddings": weight.shape[0], "embedding_dim": weight.shape[1]}
    return {}


FOLLOWING_INPUT = (nn.modules.instancenorm._InstanceNorm, nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)


def attributes_of_input(part: nn.Module, x: Tensor | None) -> dict[str, Any]:
    """Return the attributes of a norm layer without tensors for its input ``(N, C, ...)``, or those it has for None."""
    if isinstance(part, nn.modules.instancenorm._InstanceNorm):
        return {"num_features": part.num_features if x is None else x.shape[x.ndim - _spatial_axes(part) - 1]}
    if isinstance(part, (nn.LayerNorm, nn.RMSNorm)):
        return {"normalized_shape": part.normalized_shape if x is None else tuple(x.shape[x.ndim - len(part.normalized_shape) :])}
    if isinstance(part, nn.GroupNorm):
        channels = part.num_channels if x is None else x.shape[1]
        return {"num_channels": channels, "num_groups": channels if part.num_groups == part.num_channels else part.num_groups}
    return {}


def follow_input(part: nn.Module, inputs: tuple[Any, ...]) -> None:
    """A forward pre-hook: set what ``attributes_of_input`` says."""
    for attribute, value in attributes_of_input(part, inputs[0]).items():
        setattr(part, attribute, value)


def _spatial_axes(part: nn.Module) -> int:
    return int(type(part).__name__.removeprefix("Lazy").removeprefix("InstanceNorm").rstrip("d") or 2)
