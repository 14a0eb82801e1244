"""Options that several commands share, and how a command works on a run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console

    from autogc.config.experiment import Experiment
    from autogc.pipeline import Run

Command = TypeVar("Command", bound=Callable[..., Any])


def verbose_option(function: Command) -> Command:
    """Add ``--verbose``; without it the libraries' own warnings and logs are silenced before the command starts."""

    @click.option("-v", "--verbose", is_flag=True, help="Show the libraries' own logs and warnings too.")
    @functools.wraps(function)
    def wrapped(*args: Any, verbose: bool, **kwargs: Any) -> Any:
        from autogc.cli.noise import silence

        if not verbose:
            silence()
        return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


def overrides_option(function: Command) -> Command:
    """Add ``--set KEY=VALUE``."""
    return click.option(
        "--set",
        "overrides",
        multiple=True,
        metavar="KEY=VALUE",
        help="Change a key of the file, its value written as YAML: --set search.evaluations=40 --set 'search.objectives=[miou, macs]'. "
        "Can be given many times.",
    )(function)


def space_argument(function: Command) -> Command:
    """Add the argument SPACE.yaml, an experiment's file."""
    return click.argument("space", metavar="SPACE.yaml", type=click.Path(path_type=Path))(function)


def experiment_options(function: Command) -> Command:
    """Add what names an experiment and its run directory: ``SPACE.yaml``, ``--set`` and ``--run-dir``."""
    function = click.option(
        "--run-dir",
        type=click.Path(path_type=Path, file_okay=False),
        help="Where everything is kept; the same directory continues a run. [default: runs/NAME, with the file's name]",
    )(function)
    return space_argument(overrides_option(function))


address_option = click.option(
    "--address",
    metavar="ADDRESS",
    help="A Ray cluster to run on, such as auto or 192.0.2.10:6379 (see clusters/). Without it, this machine.",
)


def run_argument(name: str = "run_directory") -> Callable[[Command], Command]:
    """Add the argument RUN, an existing run directory."""
    return click.argument(name, metavar="RUN", type=click.Path(path_type=Path))


def load(space: Path, *, overrides: tuple[str, ...], run_dir: Path | None) -> tuple[Experiment, Path]:
    """Read the experiment and say where its run directory is.

    Where the file has keys or values that can't be, what is wrong with its names and arguments is told beside that.
    """
    from autogc.config.load import load_experiment

    experiment = load_experiment(space, overrides=overrides, also=_beyond_schema)
    return experiment, run_dir or Path("runs") / experiment.name


def _beyond_schema(tree: Mapping[str, Any]) -> list[str]:
    from autogc.pipeline.check_components import tree_problems

    return tree_problems(tree)


def make_console(*, stderr: bool = False) -> Console:
    """Return the console that everything is printed to; wide where the output is a file."""
    from rich.console import Console

    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=240)


@contextmanager
def working(open_run: Callable[..., Run], *args: Any, **kwargs: Any) -> Iterator[Run]:
    """Open a run with progress on the screen, and close it (flushing the tracker) whatever happens."""
    from autogc.cli.display import display

    with display(make_console(stderr=True)) as progress, open_run(*args, progress=progress, **kwargs) as run:
        yield run
