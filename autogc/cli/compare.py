"""``autogc compare``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autogc.cli.options import address_option, make_console, verbose_option

if TYPE_CHECKING:
    from autogc.pipeline.compare import Comparison

PARTS = ("uniform", "scratch", "alone", "ranking")


def _parts(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    if value is None:
        return PARTS
    from autogc.errors import nearest

    asked = [part.strip() for part in value.split(",") if part.strip()]
    for part in asked:
        if part not in PARTS:
            raise click.BadParameter(f"no part {part!r}; {nearest(part, PARTS)}", context, parameter)
    if not asked:
        raise click.BadParameter(f"names no part; choose of {', '.join(PARTS)}", context, parameter)
    return tuple(part for part in PARTS if part in asked)


@click.command("compare")
@click.argument("run_directories", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="Trainings of each of the others, a seed each.")
@click.option(
    "--candidates",
    type=click.IntRange(min=2),
    default=12,
    show_default=True,
    help="Candidates of the search that the ranking is checked on.",
)
@click.option(
    "--ranking-steps", type=click.IntRange(min=1), help="Steps that each of those candidates is trained for. [default: the supernet's]"
)
@click.option(
    "--ranking-way",
    type=click.Choice(["alone", "finetuned"]),
    default="alone",
    show_default=True,
    help="How: distilled alone, from fresh weights, or fine-tuned from the supernet.",
)
@click.option("--only", "parts", metavar="PARTS", callback=_parts, help=f"Train these alone, by commas: {', '.join(PARTS)}. [default: all]")
@address_option
@verbose_option
def command(
    run_directories: tuple[Path, ...],
    seeds: int,
    candidates: int,
    ranking_steps: int | None,
    ranking_way: str,
    parts: tuple[str, ...],
    address: str | None,
) -> None:
    """Compare the chosen subnet of RUN, fine-tuned, with what could have been trained instead, on the test split.

    A uniformly narrower generator, the same architecture from scratch, and the same architecture distilled alone are trained from fresh
    weights for as many steps as supernet and fine-tuning took together. The ranking compares candidates' scores in the supernet with those
    after a training of their own. Tables, figure, pictures and comparison.json are in RUN/compare.

    Several runs of one experiment with different seeds are compared together. What is trained is kept: more seeds or candidates add to it.

    \b
    Example:
      autogc compare runs/quickstart --seeds 3
      autogc compare runs/quickstart --only uniform,alone
    """
    from autogc.cli.display import display
    from autogc.pipeline import Run
    from autogc.pipeline.compare import Asked, compare

    if len({directory.resolve() for directory in run_directories}) < len(run_directories):
        raise click.UsageError("a run is given twice")
    asked = Asked(parts=parts, seeds=seeds, candidates=candidates, ranking_steps=ranking_steps, ranking_way=ranking_way)
    with display(make_console(stderr=True)) as progress, ExitStack() as stack:
        runs = [stack.enter_context(Run.reopen(directory, address=address, progress=progress)) for directory in run_directories]
        comparison = compare(runs, asked)
    print_comparison(comparison)


def print_comparison(comparison: Comparison) -> None:
    """Print the table, the verdict, and where the rest is."""
    from autogc.cli.tables import subnet_table
    from autogc.pipeline.compare import verdict
    from autogc.pipeline.compare.write import are_several, table_rows

    console, rows = make_console(), table_rows(comparison.outcomes)
    title = "The chosen subnet, compared (test split; costs: in brackets, times less than the teacher's"
    several = are_several(comparison.outcomes)
    console.print()
    console.print(subnet_table(rows, title=f"{title}{'; scores: means and ranges' if several else ''})", teacher=rows[0]))
    for note in dict.fromkeys(note for one in comparison.outcomes for note in one.notes):
        console.print(note, markup=False, style="dim")
    console.print()
    for sentence in verdict(comparison.outcomes):
        console.print(sentence, markup=False, soft_wrap=True)
    console.print(f"\nReport: {comparison.directory / 'index.html'}", markup=False, soft_wrap=True)
