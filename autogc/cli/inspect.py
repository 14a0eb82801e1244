"""``autogc inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autogc.cli.options import experiment_options, load, make_console, verbose_option

if TYPE_CHECKING:
    from rich.table import Table

    from autogc.pipeline import Checked


@click.command("inspect")
@experiment_options
@verbose_option
def command(space: Path, overrides: tuple[str, ...], run_dir: Path | None) -> None:
    """Show what the supernet of SPACE.yaml's generator can vary: its channel groups, the convolutions that may be decomposed, which
    stage owns each layer, every decision of the search with its values, and what stays fixed, with the reason.

    Nothing is trained. The names shown are the ones that the file's space section uses.

    \b
    Example:
      autogc inspect search_spaces/quickstart.yaml
    """
    experiment, _ = load(space, overrides=overrides, run_dir=run_dir)
    from autogc.pipeline import check

    checked = check(experiment)
    console = make_console()
    for table in (_groups(checked), _layers(checked), _decisions(checked)):
        console.print(table)
    frozen = checked.supernet.discovery.frozen
    console.print("Fixed: the channels of the input and of the output" + (", and:" if frozen else "; nothing else."))
    for name, reason in frozen.items():
        console.print(f"  {name}: {reason}", markup=False)


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _groups(checked: Checked) -> Table:
    table = _table("Channel groups (kept or dropped together)", "group", "channels", "multiple of", "stage", "produced by")
    for group in checked.supernet.discovery.groups:
        stage = checked.space.stages.of_group.get(group.name, "")
        table.add_row(group.name, str(group.size), str(group.multiple), stage, ", ".join(group.producers))
    return table


def _layers(checked: Checked) -> Table:
    table = _table("Layers", "layer", "weight", "stage", "may be separable")
    for layer in checked.supernet.layers:
        weight = checked.supernet.module.get_parameter(f"{layer}.weight")
        separable = "yes" if layer in checked.supernet.sites else ""
        table.add_row(layer, " x ".join(str(size) for size in weight.shape), checked.space.stage_of[layer], separable)
    return table


def _decisions(checked: Checked) -> Table:
    table = _table(f"Decisions: {checked.space.size:.3g} subnets", "decision", "values, the most expensive first")
    for decision in checked.space.decisions:
        table.add_row(decision.name, ", ".join(str(value) for value in decision.values))
    return table
