"""``autogc explain``."""

from __future__ import annotations

from pathlib import Path

import click

from autogc.cli.options import make_console, run_argument, verbose_option, working


@click.command("explain")
@run_argument()
@click.option(
    "--score",
    "scores",
    multiple=True,
    metavar="NAME",
    help="Which score, such as miou; can be given many times. [default: those among the objectives]",
)
@verbose_option
def command(run_directory: Path, scores: tuple[str, ...]) -> None:
    """Show which decisions of RUN's search its scores are a matter of, and where in the generator quality is lost.

    A model is fitted to the evaluations and asked what each value of each decision does. Figures are in RUN/report and in MLflow.

    \b
    Examples:
      autogc explain runs/quickstart
      autogc explain runs/quickstart --score miou
    """
    from rich import box
    from rich.table import Table

    from autogc.pipeline import Run
    from autogc.pipeline.explained import explain_run, figures
    from autogc.tracking.explained import HEAD, basis, caption, explained_lines

    console = make_console()
    with working(Run.reopen, run_directory) as run:
        found = explain_run(run, scores)
        for path in figures(run, found):
            run.tracker.artifact(path, under="report")
        for one in found:
            table = Table(title=caption(one), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
            for column in HEAD:
                table.add_column(column, justify="right" if column.startswith("share") else "left")
            for line in explained_lines(one):
                table.add_row(*line)
            console.print()
            console.print(table)
            console.print(f"By {basis(one)}. Few evaluated candidates with a value: little is known of it.", markup=False, style="dim")
        listed = "\n".join(f"  {path}" for path in figures(run, found))
    console.print(
        f"\nFigures:\n{listed}\nNext:\n"
        f"  autogc ui {run_directory}\n      shows them in the MLflow UI, among the run's artifacts, under report\n"
        f"  autogc run SPACE.yaml --set search.start_from={run_directory}\n      searches the same decisions anew from what is known here",
        markup=False,
        soft_wrap=True,
    )
