"""What is there: the device, the packages, and which of autogc's modules can be imported."""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from findings import DEEPSPEED, PACKAGES, Failed

# Packages of autogc that must work with torch, fvcore and pyarrow; what is above may want Ray, Optuna, MLflow or click.
BELOW_THE_SEARCH = (
    *("errors", "registry", "files", "progress", "device_lock", "inference", "config", "models", "data", "losses", "metrics"),
    *("compression", "supernet", "cost", "export", "training"),
)
OTHERS = ("scipy", "ray", "optuna", "mlflow", "click", "rich", "onnxruntime", "triton")


def device(settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Say what the device is; a first product on it must come out right."""
    import torch

    name = settings["device"]
    here = torch.device(name)
    packages = {package: _version(package) for package in (*PACKAGES.values(), *DEEPSPEED.values(), *OTHERS)}
    details: dict[str, Any] = {"packages": packages, "threads": torch.get_num_threads(), "cuda": torch.version.cuda}
    if here.type == "cuda" and not torch.cuda.is_available():
        raise Failed(f"torch {torch.__version__} sees no CUDA device here; --device cpu tries the command without one", details)
    if here.type == "cuda" and (here.index or 0) >= torch.cuda.device_count():
        raise Failed(f"there is no {name}: torch sees {torch.cuda.device_count()} CUDA devices", details)
    left = torch.arange(256 * 256, dtype=torch.float32).view(256, 256).remainder(7)
    if not torch.equal((left.to(here) @ left.to(here)).cpu(), left @ left):
        raise Failed(f"a product of whole numbers comes out wrong on {name}", details)
    if here.type != "cuda":
        return f"{name}, torch {torch.__version__}, {torch.get_num_threads()} threads", details
    properties = torch.cuda.get_device_properties(here)
    details |= {
        "name": properties.name,
        "capability": [properties.major, properties.minor],
        "memory_bytes": properties.total_memory,
        "cudnn": torch.backends.cudnn.version(),
        "devices": torch.cuda.device_count(),
    }
    free, _ = torch.cuda.mem_get_info(here)
    memory = f"{free / 2**30:.0f} of {properties.total_memory / 2**30:.0f} GiB free"
    return f"{properties.name}, {memory}, torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {details['cudnn']}", details


def imports(settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Import every module of autogc; those below the search must come without Ray, Optuna, MLflow, click, SciPy and DeepSpeed."""
    del settings
    import autogc

    lacking: dict[str, list[str]] = defaultdict(list)
    broken: dict[str, str] = {}
    for found in pkgutil.walk_packages(autogc.__path__, "autogc.", onerror=lambda name: None):
        if found.name.endswith("__main__"):
            continue
        try:
            importlib.import_module(found.name)
        except ModuleNotFoundError as error:
            lacking[str(error.name)].append(found.name)
        except ImportError as error:  # ray.tune says so of its own dependencies
            lacking[str(error).splitlines()[0]].append(found.name)
        except Exception as error:
            broken[found.name] = f"{type(error).__name__}: {error}"
    details = {"lacking": dict(lacking), "broken": broken}
    wanted = tuple(f"autogc.{name}" for name in BELOW_THE_SEARCH)
    lost = {
        package: below
        for package, modules in lacking.items()
        if (below := [name for name in modules if name in wanted or name.startswith(tuple(f"{one}." for one in wanted))])
    }
    if broken:
        raise Failed(f"{', '.join(broken)} can't be imported: {next(iter(broken.values()))}", details)
    if lost:
        raise Failed("; ".join(f"without {package} there is no {', '.join(names)}" for package, names in lost.items()), details)
    said = [f"without {package} no {', '.join(name.removeprefix('autogc.') for name in names)}" for package, names in lacking.items()]
    return "all below the search" + (f"; {'; '.join(said)}" if said else ", and all else"), details


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
