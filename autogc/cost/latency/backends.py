"""What runs a generator when its latency is measured: PyTorch as it is, compiled, or ONNX Runtime."""

from __future__ import annotations

import copy
import io
import logging
import shutil
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from autogc.errors import ConfigError, nearest

# The largest difference of a pixel, as a share of the largest value, between a backend's image and the module's own.
TOLERANCE = 1e-3
# On a GPU, where convolutions are taken in TF32 and each backend picks its own: a product has 11 bits.
TOLERANCE_ON_A_GPU = 1e-2
ONNX_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Backend:
    """A way to run a module.

    ``title`` is what tables call it; ``problem(device)`` says why it can't be had here, or None; ``prepare(module, image, device,
    threads)`` returns what is timed: a function without arguments that starts one forward pass of the image.
    """

    title: str
    packages: tuple[str, ...]
    problem: Callable[[torch.device], str | None]
    prepare: Callable[[nn.Module, Tensor, torch.device, int], Callable[[], Any]]

    @property
    def versions(self) -> dict[str, str]:
        """The versions of what runs the module."""
        return {name: version(name) for name in self.packages}


def backend_of(name: str, device: torch.device) -> Backend:
    """Return a backend that can run on ``device``. Raises ConfigError with what is missing and how to get it."""
    if name not in BACKENDS:
        raise ConfigError(f"no latency backend named {name!r}: {nearest(name, BACKENDS)}", source="latency")
    problem = BACKENDS[name].problem(device)
    if problem is not None:
        raise ConfigError(f"latency backend {name!r}: {problem}", source="latency")
    return BACKENDS[name]


def _eager(module: nn.Module, image: Tensor, device: torch.device, threads: int) -> Callable[[], Any]:
    del threads
    timed, given = copy.deepcopy(module).to(device).eval(), image.to(device)
    return lambda: timed(given)


def _compiled(module: nn.Module, image: Tensor, device: torch.device, threads: int) -> Callable[[], Any]:
    del threads
    given = image.to(device)
    plain = copy.deepcopy(module).to(device).eval()
    # One compilation a module: what was compiled for another candidate would count against dynamo's limit of recompilations.
    torch.compiler.reset()
    compiled = torch.compile(plain, dynamic=False)
    with torch.inference_mode():
        _same(compiled(given), _seeded(plain, given), "torch.compile", device)
    return lambda: compiled(given)


def _compiler_problem(device: torch.device) -> str | None:
    if device.type == "cpu" and shutil.which("g++") is None and shutil.which("clang++") is None:
        return "torch.compile needs a C++ compiler on this machine: apt-get install g++ (or use backend: eager)"
    if device.type == "cuda" and find_spec("triton") is None:
        return "torch.compile on CUDA needs triton: pip install triton (or use backend: eager)"
    return None


def _onnxruntime(module: nn.Module, image: Tensor, device: torch.device, threads: int) -> Callable[[], Any]:
    import onnxruntime

    plain = copy.deepcopy(module).cpu().eval()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    chosen: Any = ("CUDAExecutionProvider", {"device_id": device.index or 0}) if device.type == "cuda" else "CPUExecutionProvider"
    session = onnxruntime.InferenceSession(onnx_bytes(plain, image), options, providers=[chosen])
    name = session.get_inputs()[0].name
    binding = session.io_binding()
    kind, index = device.type, device.index or 0
    given = onnxruntime.OrtValue.ortvalue_from_numpy(image.cpu().contiguous().numpy(), kind, index)
    binding.bind_ortvalue_input(name, given)
    binding.bind_output(session.get_outputs()[0].name, kind, index)

    def run() -> Any:
        session.run_with_iobinding(binding)
        return binding

    run()
    with torch.inference_mode():
        _same(torch.from_numpy(binding.copy_outputs_to_cpu()[0]), _seeded(plain, image.cpu()), "the ONNX export", device)
    return run


def onnx_bytes(module: nn.Module, image: Tensor) -> bytes:
    """Return ``module`` as an ONNX model for inputs of the shape of ``image``. Raises ConfigError where it can't be exported."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it tells of every package that it did not find
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            program = torch.onnx.export(module, (image.cpu(),), dynamo=True, verbose=False)
            assert program is not None
            return bytes(program.model_proto.SerializeToString())
    except Exception as error:  # whatever the exporter raises for what it does not know
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        why = f"{type(error).__name__}: {first}"
        raise ConfigError(
            f"latency backend 'onnxruntime': this generator can't be exported to ONNX ({why}); use backend: eager", source="latency"
        ) from error
    finally:
        logger.setLevel(level)


def _onnxruntime_problem(device: torch.device) -> str | None:
    missing = [name for name in ONNX_PACKAGES if find_spec(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed: pip install 'autogc[onnx]'"
    import onnxruntime

    if device.type == "cuda" and "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "this onnxruntime has no CUDA: pip install onnxruntime-gpu, or use device: cpu"
    return None


def _seeded(module: nn.Module, image: Tensor) -> Tensor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made: Tensor = module(image)
    return made


def _same(made: Tensor, expected: Tensor, what: str, device: torch.device) -> None:
    """Raise ConfigError where a backend's image is not the module's: its time would be that of something else."""
    if made.shape == expected.shape:
        difference = float((made.float().cpu() - expected.float().cpu()).abs().max()) / max(float(expected.abs().max()), 1e-12)
        if difference <= (TOLERANCE_ON_A_GPU if device.type == "cuda" else TOLERANCE):
            return
        found = f"its image differs by {difference:.1e} of the largest value"
    else:
        found = f"its image is {tuple(made.shape)}, the module's {tuple(expected.shape)}"
    raise ConfigError(f"latency: {what} of this generator is not the same network: {found}; use backend: eager", source="latency")


BACKENDS: Mapping[str, Backend] = {
    "eager": Backend("PyTorch eager", ("torch",), lambda device: None, _eager),
    "compile": Backend("torch.compile", ("torch",), _compiler_problem, _compiled),
    "onnxruntime": Backend("ONNX Runtime", ("torch", "onnxruntime"), _onnxruntime_problem, _onnxruntime),
}
