"""Muon: momentum whose updates of weight matrices are orthogonalised, with Adam for everything that is no matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

# Coefficients of the quintic iteration that Jordan et al. chose: they bring singular values from (0, 1] to about 1 in five rounds.
QUINTIC = (3.4445, -4.7750, 2.0315)
ROUNDS = 5
# The root mean square of an update in units of the learning rate, near that of Adam's (Liu et al., 2025, section 2.2).
RMS = 0.2


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024) for matrices of weights, Adam for the rest.

    A convolution's weight (O, I, kh, kw) is the matrix O x (I kh kw). Biases, scales, and the kernels of depthwise convolutions, whose rows
    have nothing to do with each other, are Adam's. An update of a matrix has the root mean square ``0.2 learning rate`` whatever its shape
    (Liu et al., "Muon is scalable for LLM training", 2025, equation 4), so that both take one learning rate; no weight decay.

    Args:
        parameters: what is trained, float32.
        lr: the learning rate of both.
        momentum: the decay of the matrices' averaged gradient, in [0, 1).
        betas: Adam's.
        eps: Adam's.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
    ) -> None:
        if lr <= 0 or not 0 <= momentum < 1:
            raise ValueError(f"Muon needs lr > 0 and 0 <= momentum < 1, got {lr} and {momentum}")
        trained = list(parameters)
        kinds = {True: [one for one in trained if is_matrix(one)], False: [one for one in trained if not is_matrix(one)]}
        groups = [{"params": found, "matrices": matrices} for matrices, found in kinds.items() if found]
        super().__init__(groups, {"lr": lr, "momentum": momentum, "betas": betas, "eps": eps, "matrices": False})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Take one step. A parameter without a gradient stays as it is; the steps that Adam corrects its averages for are counted all the
        same, so that there is one count for all."""
        assert closure is None, "closures are of line searches, which Muon has none of"
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                if not state:
                    state.update(exp_avg=torch.zeros_like(parameter), step=torch.tensor(0.0))
                    if not group["matrices"]:
                        state["exp_avg_sq"] = torch.zeros_like(parameter)
                state["step"] += 1
                if parameter.grad is not None:
                    (_orthogonal_step if group["matrices"] else _adam_step)(parameter, parameter.grad, state, group)


def _orthogonal_step(parameter: Tensor, gradient: Tensor, state: Mapping[str, Tensor], group: Mapping[str, Any]) -> None:
    average = state["exp_avg"].lerp_(gradient, 1 - group["momentum"])
    # Nesterov's: one step further along the average.
    matrix = gradient.lerp(average, group["momentum"]).flatten(1)
    parameter.add_(orthogonalized(matrix).view_as(parameter), alpha=-group["lr"] * RMS * max(matrix.shape) ** 0.5)


def _adam_step(parameter: Tensor, gradient: Tensor, state: Mapping[str, Tensor], group: Mapping[str, Any]) -> None:
    (first, second), taken = group["betas"], float(state["step"])
    state["exp_avg"].lerp_(gradient, 1 - first)
    state["exp_avg_sq"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
    spread = (state["exp_avg_sq"] / (1 - second**taken)).sqrt_().add_(group["eps"])
    parameter.addcdiv_(state["exp_avg"], spread, value=-group["lr"] / (1 - first**taken))


def is_matrix(weight: Tensor) -> bool:
    """Tell whether a weight's rows share their inputs: not a vector, and not a depthwise convolution's (C, 1, kh, kw)."""
    return weight.ndim >= 2 and weight.shape[1] > 1


def orthogonalized(matrix: Tensor) -> Tensor:
    """Return about U V^T of a matrix U S V^T (R, C), float32: its singular values brought near 1 (within 0.7 to 1.2) by a Newton-Schulz
    iteration. Rows and columns of zeros stay zeros."""
    wide = matrix.shape[0] <= matrix.shape[1]
    x = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    a, b, c = QUINTIC
    for _ in range(ROUNDS):
        squared = x @ x.T
        x = a * x + (b * squared + c * squared @ squared) @ x
    return x if wide else x.T
