"""``autogc export``."""

from __future__ import annotations

from pathlib import Path

import click

from autogc.cli.options import run_argument, verbose_option, working


@click.command("export")
@run_argument()
@click.option(
    "--pick",
    metavar="knee|best|smallest|HASH",
    help="Which subnet: the front's knee, its best score, its smallest cost, or one by the first digits of its hash. "
    "[default: what the run's experiment says]",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where to. [default: RUN/export/HASH]")
@verbose_option
def command(run_directory: Path, pick: str | None, out: Path | None) -> None:
    """Write one subnet of RUN's search as a package that stands alone: weights, architecture, costs and scores, hashes of all of it.

    It is really smaller (no masks, no unused channels) and loads into a plain torch.nn.Module with autogc.load_package.

    \b
    Examples:
      autogc export runs/quickstart --pick knee
      autogc export runs/quickstart --pick 3f2a --out chosen
    """
    from autogc.pipeline import Run, export_chosen, export_subnet

    with working(Run.reopen, run_directory) as run:
        own = out is None and pick in (None, run.experiment.export.pick)
        directory = export_chosen(run) if own else export_subnet(run, pick=pick, directory=out)
    click.echo(f"{directory}\nTo train it further: autogc finetune {directory} --run {run_directory}")
