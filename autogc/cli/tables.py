"""Tables on the terminal: the final one, the front, a plan."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from autogc.tracking.quantities import QUANTITIES
from autogc.tracking.table import SubnetRow, cell, columns_of


def subnet_table(rows: Sequence[SubnetRow], *, title: str, teacher: SubnetRow | None) -> Table:
    """Return subnets as a table, each cost with how many times less than the teacher's it is."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    columns = columns_of(rows)
    table.add_column("generator", no_wrap=True)
    for column in columns:
        arrow = "↑" if QUANTITIES[column].higher_is_better else "↓"
        table.add_column(f"{QUANTITIES[column].title.replace(', published convention', ' (published)')} {arrow}", justify="right")
    for row in rows:
        table.add_row(row.name, *(cell(row, column, teacher=teacher) for column in columns))
    return table


def pairs_table(pairs: Sequence[tuple[str, str]], *, title: str) -> Table:
    """Return names and values as a table of two columns."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in pairs:
        table.add_row(name, value)
    return table
