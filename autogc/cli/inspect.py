"""``autogc inspect``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from autogc.cli.options import make_console, overrides_option, space_argument, verbose_option

if TYPE_CHECKING:
    from rich.table import Table

    from autogc.pipeline.inspection import Inspected, InspectedRecipe


@click.command("inspect")
@space_argument
@overrides_option
@verbose_option
def command(space: Path, overrides: tuple[str, ...]) -> None:
    """Show what the supernet of SPACE.yaml's generator can vary: its channel groups, the convolutions that may be decomposed, the
    parts that may be left out, which stage owns each layer, every decision of the search with its values, what the full and the smallest
    subnet cost, and what stays fixed, with the reason. A recipe is shown with what it stands for and what the file has in its place.

    Nothing is trained, and no data is needed: a file with nothing but the generator and its input_shape will do, its own or a class of
    yours. The names shown are the ones that the file's space section uses; where it has none, one is suggested.

    \b
    Examples:
      autogc inspect search_spaces/quickstart.yaml
      autogc inspect mine.yaml      with   generator: {module: net.py:Net, args: {width: 64}, input_shape: [3, 256, 256]}
    """
    from autogc.pipeline.inspection import inspect

    found = inspect(space, overrides=overrides)
    console = make_console()
    if found.recipe is not None:
        console.print(_recipe(found.recipe))
        console.print(f"What differs here: {found.recipe.differs}.\n", markup=False, soft_wrap=True)
    for table in (_groups(found), _layers(found), _units(found), _decisions(found), _costs(found)):
        console.print(table)
    fixed = [f"{name}, its {kind}: {reason}" for kind, reasons in found.supernet.fixed.items() for name, reason in reasons.items()]
    console.print("Fixed: the channels of the input and of the output" + (", and:" if fixed else "; nothing else."))
    for line in fixed:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if found.suggestion:
        import yaml

        console.print("\nTo change what is searched, start from this in the file (without it, the space is made as it says):\n")
        console.print(yaml.safe_dump(dict(found.suggestion), sort_keys=False, default_flow_style=None), markup=False, soft_wrap=True)


def _table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _recipe(recipe: InspectedRecipe) -> Table:
    since = "; it has been changed since this run began" if recipe.changed else ""
    table = _table(f"Recipe {recipe.name}: {recipe.paper}{since}", "key", "recipe", "here")
    for key, (usual, here) in recipe.values.items():
        table.add_row(key, str(usual), "the same" if here == usual else f"{here} (overridden)")
    return table


def _groups(found: Inspected) -> Table:
    table = _table(
        f"Channel groups of {found.label} (kept or dropped together)", "group", "channels", "multiple of", "stage", "produced by", "note"
    )
    discovery = found.supernet.discovery
    for group in discovery.groups:
        stage = found.space.stages.of_group.get(group.name, "")
        row = (group.name, str(group.size), str(group.multiple), stage, ", ".join(group.producers), discovery.notes.get(group.name, ""))
        table.add_row(*row)
    return table


def _layers(found: Inspected) -> Table:
    table = _table("Layers", "layer", "weight", "stage", "may be separable")
    for layer in found.supernet.layers:
        weight = found.supernet.module.get_parameter(f"{layer}.weight")
        could = "if supernet.decompose says so" if layer in found.supernet.decomposable else ""
        separable = "yes" if layer in found.supernet.sites else could
        table.add_row(layer, " x ".join(str(size) for size in weight.shape), found.space.stage_of[layer], separable)
    return table


def _units(found: Inspected) -> Table:
    table = _table("Parts that map a tensor to one of its shape", "part", "modules", "stage", "may be left out")
    for unit in found.units.units:
        failed = found.supernet.fixed["depth"].get(unit.name)
        could = "if supernet.skip says so" if failed is None else f"no: {failed}"
        stage = found.space.stages.of_unit.get(unit.name, "")
        table.add_row(unit.name, ", ".join(unit.modules), stage, "yes" if unit.name in found.supernet.units else could)
    for name, reason in found.units.reasons.items():
        if not reason.startswith("maps "):
            table.add_row(name, "", "", f"no: it {reason}")
    return table


def _decisions(found: Inspected) -> Table:
    table = _table(f"Decisions: {found.space.size:.3g} subnets", "decision", "values, the most expensive first")
    for decision in found.space.decisions:
        table.add_row(decision.name, ", ".join(str(value) for value in decision.values))
    return table


def _costs(found: Inspected) -> Table:
    columns = {
        "macs": "MACs",
        "fvcore_macs": "MACs, counted by fvcore",
        "macs_published": "MACs (published)",
        "bops": "bit operations",
        "params": "parameters",
        "storage_bytes": "stored bytes",
        "peak_activation_bytes": "peak activation bytes",
    }
    shape = " x ".join(map(str, found.supernet.example_shape[1:]))
    table = _table(f"Costs for an input of {shape}", "subnet", *columns.values())
    for name, counts in found.counts.items():
        table.add_row(name, *(f"{counts[cost]:,}" for cost in columns))
    return table
