"""DeepSpeed, behind the few calls that training makes. The only module that imports it."""

from __future__ import annotations

import atexit
import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from autogc.config.experiment import Optimization
from autogc.errors import ConfigError
from autogc.training.deepspeed_config import complete
from autogc.training.optimizer_state import OptimizerState
from autogc.training.schedule import rate_factor


class Engine:
    """One module and its optimizer under DeepSpeed, ZeRO stage 0, 1 or 2. ``learning_rate`` replaces the configuration's.

    ``descend`` is one micro-batch: every ``accumulation``-th of them takes an optimizer step. The module is in training mode and on
    ``device``; in bf16 its parameters are, and their float32 masters are in the optimizer.
    """

    def __init__(self, module: nn.Module, config: Optimization, *, device: torch.device, learning_rate: float | None = None) -> None:
        join_process_group(device)
        if learning_rate is not None:
            config = config.model_copy(update={"learning_rate": learning_rate})
        settings = complete(config, workers=dist.get_world_size())
        with _quiet():
            import deepspeed

            self._engine, optimizer, _, self._scheduler = deepspeed.initialize(
                model=module.to(device).train(),
                model_parameters=[parameter for parameter in module.parameters() if parameter.requires_grad],
                config=settings,
                dist_init_required=False,
            )
        self.module = module
        self.accumulation: int = settings["gradient_accumulation_steps"]
        self._config = config
        self._groups = optimizer.param_groups
        self._rates = [group["lr"] for group in self._groups]
        self._state = OptimizerState(module, optimizer)
        self._dtype = next(module.parameters()).dtype
        self._autocast = settings.get("torch_autocast", {})

    def __call__(self, *inputs: Any) -> Any:
        """Run the module; floating-point tensors among ``inputs``, and what has a ``cast``, are cast to its dtype."""
        return self._engine(*(self._cast(value) for value in inputs))

    @contextlib.contextmanager
    def fixed(self) -> Iterator[nn.Module]:
        """Give the module as a fixed function: gradients reach the inputs and not the parameters.

        This is how the generator's loss passes through the discriminator: a backward pass through the engine would disturb its state.
        """
        trained = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        dtype = getattr(torch, str(self._autocast.get("dtype", "bfloat16")))
        try:
            for parameter in trained:
                parameter.requires_grad_(False)
            with torch.autocast(trained[0].device.type, dtype=dtype, enabled=bool(self._autocast.get("enabled", False))):
                yield self.module
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)

    def _cast(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to(self._dtype) if value.is_floating_point() else value
        return value.cast(self._dtype) if hasattr(value, "cast") else value

    def descend(self, loss: Tensor, *, step: int) -> None:
        """Add the gradient of one micro-batch's mean ``loss``; with the last of an accumulation, take the optimizer step ``step``."""
        if self._scheduler is None:
            for group, rate in zip(self._groups, self._rates, strict=True):
                group["lr"] = rate * rate_factor(self._config, step)
        self._engine.backward(loss)
        self._engine.step()

    def tensors(self) -> dict[str, Tensor]:
        """Return float32 weights and buffers by name, on the CPU. Collective: every worker calls it."""
        return self._state.weights()

    def masters(self) -> list[Tensor]:
        """Return the float32 tensors that hold the trained weights here, to be read and changed in place: under ZeRO 1 and 2 this process's
        flat share of them."""
        return self._state.masters()

    def load_masters(self, tensors: dict[str, Tensor]) -> None:
        """Put trained weights, by name, into ``masters``. Collective."""
        self._state.write_masters(tensors)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return all that resuming needs, as tensors by name and JSON-ready data. Collective."""
        tensors, scalars = self._state.read()
        scheduler = None if self._scheduler is None else self._scheduler.state_dict()
        return tensors, {"optimizer": scalars, "scheduler": scheduler, "rates": [float(group["lr"]) for group in self._groups]}

    def load_state(self, tensors: dict[str, Tensor], data: dict[str, Any]) -> None:
        """Put back what ``state`` gave, whatever the ZeRO stage and number of workers were. Collective."""
        self._state.write(tensors, data["optimizer"])
        if self._scheduler is not None:
            self._scheduler.load_state_dict(data["scheduler"])
        for group, rate in zip(self._groups, data["rates"], strict=True):
            group["lr"] = rate

    def close(self) -> None:
        """Release DeepSpeed's hooks and buffers; the module stays as it is."""
        self._engine.destroy()


def join_process_group(device: torch.device) -> None:
    """Make sure that there is a process group and that DeepSpeed uses it: the launcher's, or one of this process alone.

    Raises ConfigError when DeepSpeed was already set to another kind of device in this process.
    """
    if not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, store=dist.HashStore(), rank=0, world_size=1)
        atexit.register(_leave_process_group)
    # DeepSpeed reads these two and has no argument for them.
    os.environ.setdefault("LOCAL_RANK", "0")
    os.environ["DS_ACCELERATOR"] = device.type
    with _quiet():
        import deepspeed
        import deepspeed.ops
        from deepspeed.accelerator import get_accelerator

        name = get_accelerator()._name
        if name != device.type:
            raise ConfigError(
                f"DeepSpeed is set to {name} in this process, so it can't train on {device.type}: use another process, or {name}"
            )
        # Else the first training compiles a shared-memory operator (over a minute) that only inference uses.
        deepspeed.ops.__compatible_ops__ = {}
        if not deepspeed.comm.is_initialized():
            deepspeed.init_distributed(dist_backend="nccl" if device.type == "cuda" else "gloo", verbose=False)


def _leave_process_group() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep DeepSpeed's greetings off the terminal, and what it logs below errors; errors go where the application logs."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        logger = logging.getLogger("DeepSpeed")
        logger.setLevel(logging.ERROR)
        logger.propagate = True
        # Its own handler holds on to the standard output of the moment when it was imported.
        logger.handlers = [handler for handler in logger.handlers if type(handler) is not logging.StreamHandler]
