"""What keeps a critic's slope near one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Return ``E[(|grad_x D(x)| - 1)^2]`` at points between real and generated images: Gulrajani et al. (NeurIPS 2017), equation 3.

    ``real`` and ``fake`` are (N, C, H, W); each pair is mixed with a weight of its own, uniform over [0, 1], which PyTorch's global CPU
    generator draws. Where ``critic`` gives several logits an image their sum is derived, as StarGAN does. No gradient reaches the
    images; that of the critic's parameters goes through a second derivative, so it must not be in a form that has none (such as some fused
    kernels). Lower is better. Raises ValueError when the shapes differ.
    """
    if real.shape != fake.shape:
        raise ValueError(f"real images of shape {tuple(real.shape)} cannot be mixed with generated ones of shape {tuple(fake.shape)}")
    share = torch.rand(len(real), *(1 for _ in real.shape[1:])).to(real)
    between = (share * real.detach() + (1 - share) * fake.detach()).requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (gradient.flatten(1).float().norm(dim=1) - 1).square().mean()
