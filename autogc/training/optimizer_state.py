"""The weights and the optimizer's state of a DeepSpeed engine by parameter name, whole, whichever ZeRO stage holds them in what pieces.

DeepSpeed's own checkpoints are pickles, one for each worker. These are plain tensors: safetensors can hold them, and they can be put
back under another stage or number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from autogc.errors import CheckpointError

WEIGHTS = "weights"


class OptimizerState:
    """Reads and writes the state of ``optimizer``: PyTorch's (ZeRO 0), or DeepSpeed's around it (ZeRO 1 and 2)."""

    def __init__(self, module: nn.Module, optimizer: Any) -> None:
        self._module = module
        self._partitioned = hasattr(optimizer, "single_partition_of_fp32_groups")
        self._zero = optimizer
        self._inner: torch.optim.Optimizer = optimizer.optimizer if self._partitioned else optimizer

    def _trained(self) -> Iterator[tuple[str, nn.Parameter]]:
        return ((name, parameter) for name, parameter in self._module.named_parameters() if parameter.requires_grad)

    def weights(self) -> dict[str, Tensor]:
        """Return every parameter (its float32 master where there is one) and buffer, as copies on the CPU."""
        found: dict[str, Tensor] = dict(self._module.state_dict())
        if self._partitioned:
            found |= {name: parameter.get_full_hp_param() for name, parameter in self._trained()}  # type: ignore[attr-defined]
        return {name: _portable(tensor) for name, tensor in found.items()}

    def masters(self) -> list[Tensor]:
        """Return the float32 tensors that the trained weights are in: the parameters, or DeepSpeed's flat shares of this process."""
        if self._partitioned:
            return list(self._zero.single_partition_of_fp32_groups)
        return [parameter.data for _, parameter in self._trained()]

    @torch.no_grad()
    def write_masters(self, weights: dict[str, Tensor]) -> None:
        """Put whole trained weights, by name, into ``masters``."""
        for name, parameter in self._trained():
            whole = weights[name].to(parameter.device)
            if self._partitioned:
                parameter.set_full_hp_param(whole)  # type: ignore[attr-defined]
            else:
                parameter.copy_(whole)

    def read(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return tensors (``weights/NAME``, ``exp_avg/NAME``, ...) and scalars (``step``; one for all parameters)."""
        tensors = {f"{WEIGHTS}/{name}": tensor for name, tensor in self.weights().items()}
        kinds, scalars = self._kinds()
        for kind in kinds:
            for name, parameter in self._trained():
                held: Any = parameter
                whole = held.get_full_hp_param(kind) if self._partitioned else self._inner.state[parameter][kind]
                tensors[f"{kind}/{name}"] = _portable(whole)
        return tensors, scalars

    def _kinds(self) -> tuple[list[str], dict[str, float]]:
        """Return which tensors the optimizer keeps for each element, and its scalars. Both are empty before the first step."""
        kinds: list[str] = []
        scalars: dict[str, float] = {}
        for parameter, state in self._inner.state.items():
            for key, value in state.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    if key not in kinds:
                        kinds.append(key)
                else:
                    scalars[key] = float(value)
        return kinds, scalars

    @torch.no_grad()
    def write(self, tensors: dict[str, Tensor], scalars: dict[str, float]) -> None:
        """Put back what ``read`` gave. Raises CheckpointError when a name or shape is not this module's."""
        weights = {key.removeprefix(f"{WEIGHTS}/"): tensor for key, tensor in tensors.items() if key.startswith(f"{WEIGHTS}/")}
        own = self._module.state_dict()
        if {name: tensor.shape for name, tensor in weights.items()} != {name: tensor.shape for name, tensor in own.items()}:
            differing = sorted(set(weights) ^ set(own)) or [name for name in own if own[name].shape != weights[name].shape]
            raise CheckpointError(f"the checkpoint is of another module; differing: {', '.join(differing)}")
        for name, tensor in own.items():
            tensor.copy_(weights[name])
        kinds = sorted({key.partition("/")[0] for key in tensors} - {WEIGHTS})
        self._create(kinds, scalars)
        self.write_masters(weights)
        for name, parameter in self._trained():
            for kind in kinds:
                value = tensors[f"{kind}/{name}"].to(parameter.device)
                if self._partitioned:
                    parameter.set_full_hp_param(value, kind)  # type: ignore[attr-defined]
                else:
                    self._inner.state[parameter][kind].copy_(value)

    def _create(self, kinds: list[str], scalars: dict[str, float]) -> None:
        """Make the state that the optimizer itself would only make at its first step."""
        held = [parameter for group in self._inner.param_groups for parameter in group["params"]]
        for parameter in held:
            self._inner.state[parameter] = {key: torch.tensor(value, dtype=torch.float32) for key, value in scalars.items()} | {
                kind: torch.zeros_like(parameter, dtype=torch.float32) for kind in kinds
            }
        if self._partitioned and kinds:
            self._zero._hp_optimizer_states_linked = False
            self._zero._lazy_init_hp_params_optimizer_state()


def _portable(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).contiguous().clone()
