"""``autogc export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autogc.cli.options import run_argument, verbose_option, working

if TYPE_CHECKING:
    from autogc.config.pick import Pick


@click.command("export")
@run_argument()
@click.option(
    "--pick",
    metavar="knee|best|smallest|HASH|SCORE:LIMIT,...",
    help="Which subnet: the front's knee, its best score, its smallest cost, one by the first digits of its hash, or the cheapest within "
    "limits on scores: fid:10% is within a tenth of the teacher's, psnr:29.5 at least 29.5 dB. "
    "[default: what the run's experiment says]",
)
@click.option(
    "--within",
    metavar="COST:LIMIT,...",
    help="Leave out what costs more, beside the search's own limits: macs:17.2M, storage_bytes:50k; latency_ms:4 where the search went "
    "by latency.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Where to. [default: RUN/export/HASH]")
@verbose_option
def command(run_directory: Path, pick: str | None, within: str | None, out: Path | None) -> None:
    """Write one subnet of RUN's search as a package that stands alone: weights, architecture, costs and scores, hashes of all of it.

    It is really smaller (no masks, no unused channels) and loads into a plain torch.nn.Module with autogc.load_package.

    \b
    Examples:
      autogc export runs/quickstart --pick knee
      autogc export runs/quickstart --pick fid:10%,miou:5%
      autogc export runs/quickstart --pick best --within macs:20M
      autogc export runs/quickstart --pick 3f2a --out chosen
    """
    from autogc.pipeline import Run, export_chosen, export_subnet

    with working(Run.reopen, run_directory) as run:
        asked = None if pick is None else _read(pick)
        limits = None if within is None else _read_costs(within)
        own = out is None and limits is None and asked in (None, run.experiment.export.pick)
        directory = export_chosen(run) if own else export_subnet(run, pick=asked, within=limits, directory=out)
    click.echo(f"{directory}\nTo train it further: autogc finetune {directory} --run {run_directory}")


def _read(pick: str) -> Pick:
    from autogc.config.experiment import SCORES
    from autogc.config.pick import parse_pick

    try:
        read: Pick = parse_pick(pick, scores=SCORES)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--pick") from None
    return read


def _read_costs(within: str) -> dict[str, float]:
    from autogc.config.experiment import COSTS
    from autogc.config.pick import parse_costs

    try:
        return parse_costs(within, costs=COSTS)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--within") from None
