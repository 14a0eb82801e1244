"""What a run shows of itself: MLflow runs, figures, the image grid, the report."""

from autogc.image_grid import Column, GridRow, image_grid
from autogc.tracking.figures import front_figure, front_png, hypervolume_png
from autogc.tracking.grid import subnet_column
from autogc.tracking.mlflow_tracker import NullTracker, Tracker
from autogc.tracking.report import row_of, write_report
from autogc.tracking.series import hypervolume_history, reference_point
from autogc.tracking.table import SubnetRow, markdown_table
from autogc.tracking.ui import ui_address, ui_command

__all__ = [
    "Column",
    "GridRow",
    "NullTracker",
    "SubnetRow",
    "Tracker",
    "front_figure",
    "front_png",
    "hypervolume_history",
    "hypervolume_png",
    "image_grid",
    "markdown_table",
    "reference_point",
    "row_of",
    "subnet_column",
    "ui_address",
    "ui_command",
    "write_report",
]
