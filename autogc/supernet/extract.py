"""A subnet as a plain module of its own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn

from autogc.supernet.candidate import Candidate
from autogc.supernet.operators import ElasticConv2d, QuantizedInput, SeparableConv2d

if TYPE_CHECKING:
    from autogc.supernet.supernet import Supernet


@torch.no_grad()
def extract(supernet: Supernet, candidate: Candidate) -> nn.Module:
    """Copy the module tree with the subnet's tensors, then replace what only the supernet needs.

    The tree is copied without its weights: those of a supernet are many times a subnet's.
    """
    with supernet.configured(candidate) as tensors:
        module = _copy_without_tensors(supernet.module)
    for name, tensor in tensors.items():
        parent, _, leaf = name.rpartition(".")
        owner = module.get_submodule(parent)
        own = tensor.detach().clone(memory_format=torch.contiguous_format)
        if leaf in owner._parameters:
            owner._parameters[leaf] = nn.Parameter(own, requires_grad=own.is_floating_point())
        else:
            owner._buffers[leaf] = own
    for layer in supernet.layers:
        part = module.get_submodule(layer)
        part._forward_pre_hooks.clear()
        vars(part).pop("activation_bits", None)
        if isinstance(part, ElasticConv2d):
            part = _plain(part)
        bits = candidate.get("activation_bits", layer)
        if bits is not None:
            part = QuantizedInput(part, int(bits))
        parent, _, leaf = layer.rpartition(".")
        setattr(module.get_submodule(parent), leaf, part)
    return module.eval()


def _copy_without_tensors(module: nn.Module) -> nn.Module:
    tensors: list[Tensor] = [*module.parameters(), *module.buffers()]
    memo = {id(tensor): tensor for tensor in tensors}
    return copy.deepcopy(module, memo)


def _plain(elastic: ElasticConv2d) -> nn.Module:
    """Return the active operator of an elastic convolution as an ordinary module with the same tensors."""
    settings: dict[str, Any] = {
        "stride": elastic.stride,
        "padding": elastic.padding,
        "dilation": elastic.dilation,
        "padding_mode": elastic.padding_mode,
        "bias": elastic.bias is not None,
        "device": "meta",
    }
    plain: nn.Module
    if elastic.operator == "separable":
        weight = elastic.pointwise.weight
        plain = SeparableConv2d(weight.shape[1], weight.shape[0], elastic.kernel_size, **settings)
    else:
        weight = elastic.weight
        plain = nn.Conv2d(weight.shape[1], weight.shape[0], cast(Any, elastic.kernel_size), **settings)
    plain.load_state_dict({name: elastic.state_dict()[name] for name in plain.state_dict()}, assign=True)
    for parameter in plain.parameters():
        parameter.requires_grad_(True)
    return plain
