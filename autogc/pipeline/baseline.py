"""What costs nothing: bicubic enlargement, which a super-resolution generator has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogc.data.inputs import PictureInput
from autogc.files import read_json, write_json
from autogc.metrics.pixels import bicubic
from autogc.tracking.table import SubnetRow

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from autogc.data import Dataset
    from autogc.pipeline.run import Run

BICUBIC = "bicubic"


def enlargement(data: Dataset) -> Callable[[Tensor], Tensor] | None:
    """Return the function that enlarges inputs (N, C, h, w) to the targets' size, or None where targets are no larger."""
    scale = data.test.scale
    if scale == 1 or not isinstance(data.test.input, PictureInput):
        return None
    return lambda inputs: bicubic(inputs, (inputs.shape[-2] * scale, inputs.shape[-1] * scale))


def measured_baseline(run: Run) -> SubnetRow | None:
    """Score the enlargement on the test split once, and keep the row in the run directory; None where there is nothing to enlarge."""
    enlarge = enlargement(run.data)
    if enlarge is None:
        return None
    path = run.stage_directory("report") / "measured" / f"{BICUBIC}.json"
    if not path.is_file():
        judged = run.judge.score(enlarge, run.data.test)
        row = SubnetRow(BICUBIC, scores=judged.scores, intervals=judged.intervals, details=judged.details)
        write_json(path, row.to_json())
    return SubnetRow.from_json(read_json(path))
