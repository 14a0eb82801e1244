"""The headers of the image grid's columns (``autogc.image_grid``): what a subnet costs and scores."""

from __future__ import annotations

from autogc.image_grid import Column
from autogc.tracking.quantities import QUANTITIES
from autogc.tracking.table import SubnetRow, cell


def subnet_column(row: SubnetRow) -> Column:
    """Return a header with what a subnet costs and scores: MACs, stored bytes, and every score that is known."""
    known = row.values()
    labels = {"macs": "MACs", "storage_bytes": "stored"} | {name: one.title for name, one in QUANTITIES.items() if one.is_score}
    return Column(title=row.name, lines=tuple(f"{label} {cell(row, name)}" for name, label in labels.items() if name in known))
