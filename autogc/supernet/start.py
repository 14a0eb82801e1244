"""What a supernet's weights are when its training begins."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from autogc.errors import ConfigError, nearest
from autogc.supernet.operators import ElasticConv2d
from autogc.supernet.supernet import Supernet

# The leak of the activations that weights are drawn for: PReLU's own start.
LEAK = 0.25
# Of the layers that make the image: a generator that adds to its input begins as hardly more than the input.
QUIET = 0.1


def from_teacher(supernet: Supernet) -> None:
    """Leave the teacher's weights as they are (GAN Compression, section 3.2): the full width is the teacher, and narrower subnets are near
    it as far as norm layers bring their features back to scale."""


@torch.no_grad()
def from_identity(supernet: Supernet) -> None:
    """Draw weights anew, near the identity wherever a layer maps a tensor to one of the same shape.

    For generators without norm layers, whose narrow slices of a trained teacher give features of another scale, layer upon layer, until
    training only learns to silence them. A convolution of stride 1 with as many outputs as inputs starts as the identity (Zagoruyko and
    Komodakis, DiracNets, 2017) plus half of PyTorch's own uniform draw, so that every depth and every width passes its input on from the
    first step; other layers are drawn for leaky activations (He et al., ICCV 2015), those that make the image at a tenth of it; norm
    layers, biases and PReLUs begin as PyTorch begins them. Draws from torch's global CPU generator.
    """
    makers = _image_makers(supernet)
    named = dict(supernet.module.named_modules())
    for name, part in named.items():
        if isinstance(part, _ConvNd | nn.Linear):
            _draw(part)
            if name in makers:
                part.weight.mul_(QUIET)
            if part.bias is not None:
                part.bias.zero_()
        elif isinstance(part, nn.PReLU):
            part.weight.fill_(LEAK)
        elif isinstance(part, _NormBase | nn.LayerNorm | nn.GroupNorm):
            part.reset_parameters()  # type: ignore[operator]
    for part in named.values():
        if isinstance(part, ElasticConv2d):
            part.approximate()


STARTS: dict[str, Callable[[Supernet], None]] = {"teacher": from_teacher, "identity": from_identity}


def start_weights(supernet: Supernet, name: str) -> None:
    """Give a converted supernet the weights that its training begins with. Raises ConfigError for another name."""
    if name not in STARTS:
        raise ConfigError(f"supernet.start: no start named {name!r}: {nearest(name, STARTS)}")
    STARTS[name](supernet)


def _draw(part: _ConvNd | nn.Linear) -> None:
    weight = part.weight
    if _maps_to_the_same_shape(part):
        assert isinstance(part, _ConvNd)
        nn.init.kaiming_uniform_(weight, a=5**0.5)
        weight.mul_(0.5).add_(_identity(part))
    else:
        nn.init.kaiming_normal_(weight, a=LEAK)


def _maps_to_the_same_shape(part: nn.Module) -> bool:
    if not isinstance(part, nn.Conv1d | nn.Conv2d | nn.Conv3d) or part.in_channels != part.out_channels or part.padding == "valid":
        return False
    kernel, stride = part.kernel_size, part.stride
    return all(size % 2 for size in kernel) and prod(stride) == 1


def _identity(part: _ConvNd) -> Tensor:
    return nn.init.dirac_(torch.empty_like(part.weight), groups=part.groups)


def _image_makers(supernet: Supernet) -> set[str]:
    """Return the layers none of whose outputs is a channel that may go: they make the image, or what it is made of without any more."""
    elastic = {(member.tensor, member.axis) for group in supernet.discovery.groups for member in group.members}
    return {use.layer for use in supernet.discovery.uses if (use.tensor, 1 - use.contracted) not in elastic}
