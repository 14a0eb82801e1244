"""The files that show a front: written into the report's directory, and into the parent run's artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from autogc.files import replacing
from autogc.tracking.figures import front_figure, front_png, hypervolume_png
from autogc.tracking.series import arrange
from autogc.tracking.table import front_csv

if TYPE_CHECKING:
    from autogc.search.ledger import Evaluation

FRONT_HTML, FRONT_PNG, FRONT_CSV, HYPERVOLUME_PNG, GRID_PNG = "front.html", "front.png", "front.csv", "hypervolume.png", "grid.png"


def write_front(
    directory: str | Path,
    evaluations: Sequence[Evaluation],
    objectives: Sequence[str],
    *,
    reference: Mapping[str, float],
    teacher: Mapping[str, float] | None = None,
) -> None:
    """Write front.html (interactive, needs no network), front.png, front.csv and hypervolume.png."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    figure = front_figure(evaluations, objectives, teacher=teacher)
    with replacing(directory / FRONT_HTML) as beside:
        # As high as the frame that shows it, less the body's margins: MLflow's is small, a browser's window large.
        beside.write_text(figure.to_html(include_plotlyjs=True, default_height="calc(100vh - 20px)"), encoding="utf-8")
    front_png(evaluations, objectives, directory / FRONT_PNG, teacher=teacher)
    hypervolume_png(evaluations, objectives, directory / HYPERVOLUME_PNG, reference=reference)
    front_csv(arrange(evaluations, objectives).members, directory / FRONT_CSV)
