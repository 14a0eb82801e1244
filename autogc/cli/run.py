"""``autogc run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autogc.cli.options import address_option, experiment_options, load, make_console, verbose_option, working

if TYPE_CHECKING:
    from autogc.pipeline import Plan

STAGES = ("teacher", "supernet", "search", "export", "finetune", "report")


@click.command("run")
@experiment_options
@click.option("--until", type=click.Choice(STAGES), default="report", show_default=True, help="The last stage to do.")
@click.option("--dry-run", is_flag=True, help="Check everything and say what would be done; start and write nothing.")
@address_option
@verbose_option
def command(space: Path, overrides: tuple[str, ...], run_dir: Path | None, until: str, dry_run: bool, address: str | None) -> None:
    """Do the whole job that SPACE.yaml describes: train the teacher, distil it into the supernet, search the subnets, export the chosen
    one, fine-tune it, and report.

    Stages whose results are there are skipped, and one that was cut off goes on from its last checkpoint: after any interruption, type the
    same command again.

    \b
    Examples:
      autogc run search_spaces/quickstart.yaml --dry-run
      autogc run search_spaces/quickstart.yaml --until search
      autogc run search_spaces/quickstart.yaml --set search.evaluations=100 --set export.pick=smallest
      autogc run search_spaces/quickstart.yaml --address auto
    """
    experiment, directory = load(space, overrides=overrides, run_dir=run_dir)
    from autogc.pipeline import Run, make_plan, run_stages

    if dry_run:
        _print_plan(make_plan(directory, experiment))
        return
    with working(Run.open, directory, experiment, address=address) as run:
        report = run_stages(run, until=until)
    if report is None:
        click.echo(f"{until}: done, in {directory}. To go on, type the same command without --until.")
        return
    from autogc.cli.report import print_report

    print_report(report, directory=directory)


def _print_plan(plan: Plan) -> None:
    from autogc.cli.tables import pairs_table, subnet_table
    from autogc.tracking.table import SubnetRow

    console = make_console()
    pairs = [
        ("run directory", str(plan.directory)),
        ("data", plan.data),
        ("decisions", f"{len(plan.decisions)}, making {plan.size:.3g} subnets"),
        ("allowed by the constraints", f"{plan.share:.2%} of " + ("them all" if plan.share_is_exact else "a uniform sample of them")),
        *(("to be downloaded first", download) for download in plan.downloads),
    ]
    console.print(pairs_table(pairs, title=f"{plan.experiment}: a dry run, nothing is started"))
    rows = [SubnetRow(name=name, **getattr(plan, name)) for name in ("teacher", "largest", "smallest")]
    console.print(subnet_table(rows, title="Costs", teacher=rows[0]))
    console.print(pairs_table(list(plan.stages.items()), title="Stages"))
