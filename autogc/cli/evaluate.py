"""``autogc evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from autogc.cli.options import make_console, verbose_option, working


@click.command("evaluate")
@click.argument("package", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True, help="Which images.")
@click.option("--run", "run_directory", type=click.Path(path_type=Path), help="The run it came from. [default: where DIR lies in one]")
@click.option(
    "--bootstrap",
    "resamples",
    type=click.IntRange(min=0),
    metavar="N",
    help="Show the range that 95 % of the scores of N resamples of the images lie in. [default: what the run's scores.bootstrap says]",
)
@verbose_option
def command(package: Path, split: str, run_directory: Path | None, resamples: int | None) -> None:
    """Score the exported subnet in DIR with its run's judges, and measure its latency here.

    \b
    Example:
      autogc evaluate runs/quickstart/finetune/3f2a91c04d5e6b78 --split validation --bootstrap 200
    """
    from autogc.cli.tables import parts_table, subnet_table
    from autogc.pipeline import Run, evaluate_package, run_of

    with working(Run.reopen, run_directory or run_of(package), exclusive=False) as run:
        row, notes = evaluate_package(run, package, split=split, resamples=resamples)
    console = make_console()
    console.print(subnet_table([row], title=f"{package} ({split} split)", teacher=None))
    parts = parts_table(row)
    if parts is not None:
        console.print(parts)
    for note in notes:
        console.print(note, markup=False, style="dim")
