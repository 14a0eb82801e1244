"""Tables on the terminal: the final one, the front, a plan."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table

from autogc.tracking.quantities import QUANTITIES, shown
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


def parts_table(row: SubnetRow) -> Table | None:
    """Return what a subnet's scores are made of, such as the IoU of each class, a column a score; None where nothing is known of that."""
    scores = [score for score in QUANTITIES if row.details.get(score)]
    if not scores:
        return None
    table = Table(title="What the scores are made of", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("", no_wrap=True)
    for score in scores:
        table.add_column(QUANTITIES[score].title, justify="right")
    for name in dict.fromkeys(name for score in scores for name in row.details[score]):
        table.add_row(name, *(shown(score, row.details[score].get(name)) for score in scores))
    return table


def pairs_table(pairs: Sequence[tuple[str, str]], *, title: str) -> Table:
    """Return names and values as a table of two columns."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in pairs:
        table.add_row(name, value)
    return table
