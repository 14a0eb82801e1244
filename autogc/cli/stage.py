"""The commands that run one stage of an experiment and nothing else."""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path

import click

from autogc.cli.options import address_option, experiment_options, load, verbose_option, working


def stage_command(name: str, help_text: str) -> click.Command:
    """Return the command that runs the stage ``name``; it refuses, naming the command to run first, where what it needs is missing."""

    @click.command(name, help=f"{cleandoc(help_text)}\n\n\b\nExample:\n  autogc {name} search_spaces/quickstart.yaml")
    @experiment_options
    @address_option
    @verbose_option
    def command(space: Path, overrides: tuple[str, ...], run_dir: Path | None, address: str | None) -> None:
        experiment, directory = load(space, overrides=overrides, run_dir=run_dir)
        from autogc.pipeline import Run, run_stage

        with working(Run.open, directory, experiment, address=address) as run:
            run_stage(run, name)
        click.echo(f"{name}: done, in {directory / name}")

    return command
