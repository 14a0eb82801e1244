"""``autogc report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autogc.cli.options import make_console, run_argument, verbose_option, working

if TYPE_CHECKING:
    from autogc.pipeline import Report


@click.command("report")
@run_argument()
@verbose_option
def command(run_directory: Path) -> None:
    """Print the final table of RUN: teacher, chosen subnet before and after fine-tuning, and every member of the front.

    What has not been measured and scored yet is now; the figures and the image grid are in RUN/report.

    \b
    Example:
      autogc report runs/quickstart
    """
    from autogc.pipeline import Run, run_stage

    with working(Run.reopen, run_directory) as run:
        report = run_stage(run, "report")
    assert report is not None
    print_report(report, directory=run_directory)


def print_report(report: Report, *, directory: Path) -> None:
    """Print the final tables and what to type next."""
    from autogc.cli.tables import subnet_table

    console = make_console()
    teacher = report.rows[0]
    console.print()
    console.print(subnet_table(report.front, title="The front (test split)", teacher=teacher))
    console.print(subnet_table(report.rows, title="Teacher and chosen subnet (test split; in brackets, times less)", teacher=teacher))
    for note in report.notes:
        console.print(note, markup=False, style="dim")
    console.print(
        "\nNext:\n"
        f"  autogc ui {directory}\n      the front and its pictures in the MLflow UI\n"
        f"  autogc evaluate {report.chosen}\n      scores the fine-tuned subnet again\n"
        f"  autogc export {directory} --pick smallest\n      takes another subnet of the front\n"
        f"  autogc explain {directory}\n      shows which decisions the scores are a matter of\n"
        f"Report: {directory / 'report' / 'index.html'}",
        markup=False,
        soft_wrap=True,
    )
