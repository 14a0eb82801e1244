"""A subnet as a plain module of its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from autogc.supernet.attributes import FOLLOWING_INPUT, follow_input
from autogc.supernet.candidate import Candidate
from autogc.supernet.layers import replace_module
from autogc.supernet.operators import ElasticConv2d, QuantizedInput, SeparableConv2d, quantize_input
from autogc.supernet.units import identity

if TYPE_CHECKING:
    from autogc.supernet.supernet import Supernet


@torch.no_grad()
def extract(
    supernet: Supernet,
    candidate: Candidate,
    statistics: Mapping[str, Tensor] | None = None,
    tensors: Mapping[str, Tensor] | None = None,
) -> nn.Module:
    """Copy the module tree with the subnet's tensors, then replace what only the supernet needs.

    The tree is copied without its weights: those of a supernet are many times a subnet's.
    """
    with supernet.configured(candidate, statistics, tensors=tensors) as own:
        module = _copy_without_tensors(supernet.module)
    for part in module.modules():
        for key, hook in list(part._forward_pre_hooks.items()):
            if hook in (quantize_input, follow_input):
                del part._forward_pre_hooks[key]
    _assign(supernet.module, module, own)
    skipped = supernet.skipped(candidate)
    for unit in skipped:
        for name in unit.modules:
            replace_module(module, name, identity(unit, name))
    for layer in supernet.layers:
        if any(unit.holds(layer) for unit in skipped):
            continue
        bits = candidate.get("activation_bits", layer)
        made: dict[int, nn.Module] = {}  # what a module of several names becomes, it becomes under all of them
        for name in supernet.holders[layer]:
            part = module.get_submodule(name)
            if id(part) not in made:
                vars(part).pop("activation_bits", None)
                plain = _plain(part) if isinstance(part, ElasticConv2d) else part
                made[id(part)] = plain if bits is None else QuantizedInput(plain, int(bits))
            replace_module(module, name, made[id(part)])
    _follow_inputs(module, None if tensors is not None else supernet.example_shape)
    return module.eval()


def _assign(full: nn.Module, module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give ``module``, whose tensors are those of ``full``, the subnet's instead, under every name that they have."""
    own: dict[int, Tensor] = {}
    held = {**dict(full.named_parameters()), **dict(full.named_buffers())}
    for name, tensor in tensors.items():
        copied = tensor.detach().clone(memory_format=torch.contiguous_format)
        is_parameter = isinstance(held[name], nn.Parameter)
        own[id(held[name])] = nn.Parameter(copied, requires_grad=copied.is_floating_point()) if is_parameter else copied
    for part in module.modules():
        for kept in (part._parameters, part._buffers):
            kept.update({leaf: own[id(tensor)] for leaf, tensor in kept.items() if tensor is not None})  # type: ignore[misc]


def _follow_inputs(module: nn.Module, example_shape: Sequence[int] | None) -> None:
    """Set the sizes that norm layers without tensors keep to those of their inputs, which a run on shapes alone tells.

    Without an ``example_shape`` they do so in every run.
    """
    norms = [part for part in module.modules() if isinstance(part, FOLLOWING_INPUT) and not [*part.parameters(), *part.buffers()]]
    handles = [norm.register_forward_pre_hook(follow_input) for norm in norms]
    if example_shape is None:
        return
    try:
        if norms:
            with FakeTensorMode(allow_non_fake_inputs=True):
                # Where the module is: a supernet that is on a GPU has subnets there.
                held = next((tensor for tensor in (*module.parameters(), *module.buffers())), None)
                module.eval()(torch.empty(*example_shape, device=None if held is None else held.device))
    finally:
        for handle in handles:
            handle.remove()


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
    held = elastic.state_dict()
    plain.load_state_dict({name: held[name] for name in plain.state_dict()}, assign=True)
    for parameter in plain.parameters():
        parameter.requires_grad_(True)
    return plain
