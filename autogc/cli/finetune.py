"""``autogc finetune``."""

from __future__ import annotations

from pathlib import Path

import click

from autogc.cli.options import address_option, verbose_option, working


@click.command("finetune")
@click.argument("package", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--run", "run_directory", type=click.Path(path_type=Path), help="The run it came from. [default: where DIR lies in one]")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where to. [default: RUN/finetune/HASH]")
@address_option
@verbose_option
def command(package: Path, run_directory: Path | None, out: Path | None, address: str | None) -> None:
    """Train the exported subnet in DIR further, with the losses of the run's experiment, and write another such package.

    \b
    Example:
      autogc finetune runs/quickstart/export/3f2a91c04d5e6b78
    """
    from autogc.pipeline import Run, finetune_package, run_of

    with working(Run.reopen, run_directory or run_of(package), address=address) as run:
        directory = finetune_package(run, package, directory=out)
    click.echo(f"{directory}\nTo score it: autogc evaluate {directory}")
