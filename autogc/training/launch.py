"""Where a stage's training runs: in this process, or on several under Ray Train.

Several workers read the same run directory and dataset, by the same paths: on a cluster of machines both are on a shared filesystem.
Rank 0 alone writes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autogc import errors
from autogc.errors import AutogcError, ConfigError
from autogc.progress import Progress, Silent
from autogc.training.worker import Worker, resolve_device

# A stage's training: what it needs as data that pickles, who it is, and whom to tell. The same on every worker.
Function = Callable[[Mapping[str, Any], Worker, Progress], None]
POLL_SECONDS = 0.5


def launch(function: Function, config: Mapping[str, Any], *, device: str, workers: int, address: str | None, progress: Progress) -> None:
    """Run ``function(config, worker, progress)`` on every worker and return when all are done.

    One worker and no ``address``: in this process. Otherwise under Ray Train, on the cluster at ``address`` or on this machine;
    ``function`` must then be importable, and Ray keeps its own notes beside ``config["directory"]`` meanwhile. What rank 0 says to its
    progress is said to ``progress`` here; an AutogcError of a worker is raised here as what it was.
    """
    if workers == 1 and address is None:
        function(config, Worker(rank=0, workers=1, device=resolve_device(device)), progress)
        return
    with _cluster(address, workers):
        _train_under_ray(function, config, device=device, workers=workers, progress=progress)


@contextlib.contextmanager
def _cluster(address: str | None, workers: int) -> Iterator[None]:
    """Join a Ray cluster, or start one on this machine and stop it afterwards; one that this process is already part of is used."""
    import ray

    if ray.is_initialized():
        yield
        return
    cores = os.cpu_count() or 1
    if address is None and workers > cores:
        raise ConfigError(
            f"workers is {workers}, but this machine has {cores} cores: use at most {cores} workers, or the --address of a cluster"
        )
    try:
        ray.init(address=address or "local", include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError) as error:
        if address is None:
            raise
        raise ConfigError(
            f"no Ray cluster can be joined at {address!r} ({error}): start one as clusters/ says, or leave --address out; "
            "where the cluster asks for a token, RAY_AUTH_MODE=token must be set here too"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _train_under_ray(function: Function, config: Mapping[str, Any], *, device: str, workers: int, progress: Progress) -> None:
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    if device == "auto":
        device = "cuda" if ray.cluster_resources().get("GPU", 0) >= workers else "cpu"
    directory = Path(config["directory"])
    notes = directory.with_name(f".{directory.name}.ray")
    relay: Any = ray.remote(num_cpus=0)(_Relay).remote()
    trainer = TorchTrainer(
        _on_worker,
        train_loop_config={"function": function, "config": dict(config), "device": device, "relay": relay, "here": os.getcwd()},
        torch_config=TorchConfig(backend="gloo" if device == "cpu" else "nccl"),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=device != "cpu"),
        run_config=RunConfig(storage_path=str(notes), name=f"process-{os.getpid()}"),
    )
    stop = threading.Event()
    listener = threading.Thread(target=_listen, args=(relay, progress, stop), daemon=True)
    listener.start()
    try:
        trainer.fit()
    except Exception as error:  # Ray's type for a failed worker differs between versions; the worker's own error is what counts.
        _raise_own(ray.get(relay.failure.remote()), error)
        raise
    finally:
        stop.set()
        listener.join()
        ray.kill(relay)
        shutil.rmtree(notes, ignore_errors=True)


def _on_worker(given: dict[str, Any]) -> None:
    """What Ray Train runs on each worker."""
    import ray.train
    import ray.train.torch

    context = ray.train.get_context()
    device = ray.train.torch.get_device() if given["device"] != "cpu" else resolve_device("cpu")
    worker = Worker(rank=context.get_world_rank(), workers=context.get_world_size(), device=device)
    progress: Progress = _Speaker(given["relay"]) if worker.leads else Silent()
    try:
        _stand_in(given["here"])
        given["function"](given["config"], worker, progress)
    except AutogcError as error:
        ray.get(given["relay"].fail.remote(type(error).__name__, str(error)))
        raise


def _stand_in(here: str) -> None:
    """Make relative paths mean what they mean where the job was started: Ray Train puts workers in a directory of its own.

    A machine that has no such directory goes on: absolute paths need none, and a relative one is then told as missing, with the directory.
    """
    with contextlib.suppress(OSError):
        os.chdir(here)


def _raise_own(failure: tuple[str, str] | None, cause: BaseException) -> None:
    """Raise a worker's AutogcError again; do nothing where it failed of something else."""
    if failure is None:
        return
    kind, message = failure
    if kind == ConfigError.__name__:
        source, _, listed = message.partition(": ")
        raise ConfigError([line.removeprefix("  - ") for line in listed.splitlines()[1:]], source=source) from cause
    raise getattr(errors, kind, AutogcError)(message) from cause


class _Relay:
    """A Ray actor that holds what rank 0 says until the driver has heard it."""

    def __init__(self) -> None:
        self._events: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self._failure: tuple[str, str] | None = None

    def say(self, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._events.append((method, args, kwargs))

    def hear(self) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
        events, self._events = self._events, []
        return events

    def fail(self, kind: str, message: str) -> None:
        self._failure = self._failure or (kind, message)

    def failure(self) -> tuple[str, str] | None:
        return self._failure


class _Speaker:
    """The Progress of rank 0: passed on through the relay, without waiting."""

    def __init__(self, relay: Any) -> None:
        self._relay = relay

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        self._relay.say.remote("start", (task,), {"total": total, "done": done})

    def update(self, done: int, **figures: float) -> None:
        self._relay.say.remote("update", (done,), figures)

    def note(self, text: str) -> None:
        self._relay.say.remote("note", (text,), {})


def _listen(relay: Any, progress: Progress, stop: threading.Event) -> None:
    import ray

    ending = False
    while not ending:
        ending = stop.wait(POLL_SECONDS)
        for method, args, kwargs in ray.get(relay.hear.remote()):
            getattr(progress, method)(*args, **kwargs)
