"""Ray: started (or joined), given the trials, and stopped again, without a word of its own."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import ray
from ray import tune

from autogc.config.experiment import SearchConfig
from autogc.errors import ConfigError
from autogc.models import imported_modules
from autogc.progress import Progress
from autogc.search.evaluator import Evaluator
from autogc.search.searcher import StopOnError, StudySearcher
from autogc.search.session import SearchSession
from autogc.search.trainable import CandidateTrial

# A worker that dies (out of memory, a preempted node) gets its candidate once more.
REPEATS_AFTER_DEATH = 1
# What Ray Tune reads from the environment only: no tables on the terminal, no result files beside ours, and workers stay in the directory
# that they start in, so that relative paths go on meaning the same files.
QUIET = {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_CHDIR_TO_TRIAL_DIR": "0"}


def evaluate_all(
    session: SearchSession,
    evaluator: Evaluator,
    *,
    config: SearchConfig,
    seed: int,
    directory: Path,
    address: str | None,
    progress: Progress,
) -> None:
    """Evaluate the session's proposals, ``config.concurrent`` at a time, until there are none.

    Raises what bringing a result home raised, and KeyboardInterrupt after Ctrl-C; candidates under evaluation are then proposed again
    by the next search in the same directory.
    """
    storage = directory.resolve() / "ray"  # Nothing in it is needed afterwards: results are in the ledger.
    shutil.rmtree(storage, ignore_errors=True)
    searcher = StudySearcher(session, seed=seed)
    try:
        with _environment(QUIET), _ray(address), _hushed("ray.tune", "ray.train", "ray.air"), _by_value(imported_modules()):
            _check_resources(config, local=address is None, progress=progress)
            trainable = tune.with_resources(
                tune.with_parameters(CandidateTrial, evaluator=[ray.put(evaluator)]),
                {"cpu": config.cpus_per_trial, "gpu": config.gpus_per_trial},
            )
            tuner = tune.Tuner(
                trainable,
                tune_config=tune.TuneConfig(
                    search_alg=searcher,
                    num_samples=-1,
                    max_concurrent_trials=config.concurrent,
                    reuse_actors=True,
                    trial_name_creator=_trial_name,
                    trial_dirname_creator=_trial_name,
                ),
                run_config=tune.RunConfig(
                    name="search",
                    storage_path=str(storage),
                    verbose=0,
                    stop=StopOnError(searcher),
                    failure_config=tune.FailureConfig(max_failures=REPEATS_AFTER_DEATH),
                ),
            )
            tuner.fit()
    finally:
        shutil.rmtree(storage, ignore_errors=True)
    if searcher.error is not None:
        raise searcher.error from None
    if session.study.remaining and not session.study.exhausted:
        raise KeyboardInterrupt  # Ray takes the first Ctrl-C for a wish to end early and returns as if all were well.


@contextmanager
def _by_value(modules: Sequence[ModuleType]) -> Iterator[None]:
    """Send what these modules define along with what uses it: workers can't import a user's file by its module's name."""
    before = ray.cloudpickle.list_registry_pickle_by_value()
    added = [module for module in modules if module.__name__ not in before]
    for module in added:
        ray.cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in added:
            ray.cloudpickle.unregister_pickle_by_value(module)


def _trial_name(trial: Any) -> str:
    return str(trial.trial_id)


@contextmanager
def _ray(address: str | None) -> Iterator[None]:
    """Join the cluster at ``address``, or run Ray on this machine. Where it runs already, it is used, and left running."""
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        ray.init(address="local", num_cpus=os.cpu_count(), include_dashboard=False, **quiet)
    else:
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(
                f"no Ray cluster at {address!r} ({error}); start one with 'ray start --head', or leave --address out"
            ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _check_resources(config: SearchConfig, *, local: bool, progress: Progress) -> None:
    """Raise ConfigError where no trial could ever start; Ray would wait for ever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    for key, kind, wanted in (("cpus_per_trial", "CPU", config.cpus_per_trial), ("gpus_per_trial", "GPU", config.gpus_per_trial)):
        most = max((float(node.get(kind, 0)) for node in nodes), default=0.0)
        if wanted > most:
            message = f"search.{key} is {wanted:g}, and the most that one machine has is {most:g}"
            if local:
                raise ConfigError(message)
            progress.note(f"{message}: waiting for the cluster to bring such a machine up")


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _hushed(*names: str) -> Iterator[None]:
    """Let only errors through of the loggers named: what goes wrong with a trial is in its evaluation."""
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
