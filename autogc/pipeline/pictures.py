"""What the search and the report draw: the front with the teacher in it, and what its members make of a few inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from autogc.data.imitated import ImitatedDataset
from autogc.data.shown import shown_input, shows_classes
from autogc.files import read_json, write_json
from autogc.pipeline.baseline import BICUBIC, enlargement
from autogc.pipeline.score import generating
from autogc.search import Evaluation, front
from autogc.supernet.candidate import Candidate
from autogc.tracking import Column, GridRow, SubnetRow, image_grid, row_of, subnet_column
from autogc.tracking.table import TEACHER

if TYPE_CHECKING:
    from autogc.pipeline.run import Run

SAMPLES = 4  # rows of a grid
MEMBERS = 4  # columns for members of the front: more are too small to see


def draw_front(run: Run, evaluations: Sequence[Evaluation]) -> None:
    """Draw the search's front and image grid (validation split) and hand them to MLflow; nothing while nothing is complete."""
    search = run.experiment.search
    members = spread(front(evaluations, search.objectives, search.constraints), MEMBERS)
    if not members:
        return
    grid = run.stage_directory("search") / "grid.png"
    teacher = teacher_on_validation(run)
    columns = [(row_of(one), subnet(run, one.candidate)) for one in members]
    draw_grid(run, grid, teacher=teacher, members=columns, split="validation")
    run.tracker.front(evaluations, grid, teacher=teacher.values())


def draw_grid(
    run: Run,
    path: Path,
    *,
    teacher: SubnetRow,
    members: Sequence[tuple[SubnetRow, Callable[[Tensor], Tensor]]],
    split: str,
    baseline: SubnetRow | None = None,
) -> None:
    """Write the image grid: what is given and what is real, where they are pictures; the teacher's and each member's, with what they cost
    and score above them; before them a bicubic enlargement where there is something to enlarge, with the scores of ``baseline``."""
    data, images = run.data, getattr(run.data, split)
    makers = [generating(run.teacher, run.device), *(generate for _, generate in members)]
    columns = [subnet_column(teacher), *(subnet_column(row) for row, _ in members)]
    enlarge = enlargement(data)
    if enlarge is not None:
        makers.insert(0, enlarge)
        columns.insert(0, subnet_column(baseline or SubnetRow(BICUBIC)))
    paired = data.kind == "paired"
    if paired:
        columns.insert(0, Column("the teacher's, in 8 bits" if isinstance(data, ImitatedDataset) else "real"))
    rows = []
    # All over the split: neighbours in a folder are often frames of one scene. One by one: they may differ in size.
    for place in sorted({(index * len(images)) // (2 * SAMPLES) for index in range(1, 2 * SAMPLES, 2)}):
        batch = images.batch([place])
        made = [generate(batch.input)[0].cpu() for generate in makers]
        given, asked = shown_input(data, images, batch)
        real = [batch.target[0]] if paired else []
        rows.append(GridRow(name=batch.names[0], input=given, images=(*real, *made), caption=asked))
    image_grid(rows, path, columns=columns, class_names=data.class_names if shows_classes(data, images) else ())


def subnet(run: Run, candidate: Candidate) -> Callable[[Tensor], Tensor]:
    """Return the function that makes images with a subnet out of the supernet."""
    return generating(run.subnet(candidate), run.device)


def teacher_on_validation(run: Run) -> SubnetRow:
    """Return the teacher with its costs and its scores on the images that the search scores on; kept in the run directory."""
    path = run.stage_directory("search") / "teacher.json"
    if not path.is_file():
        generate = generating(run.teacher, run.device)
        judged = run.judge.score(generate, run.data.validation, images=run.experiment.search.images)
        write_json(path, {**run.teacher_costs, **judged.scores})
    return SubnetRow.of(TEACHER, read_json(path))


def spread(evaluations: Sequence[Evaluation], count: int) -> list[Evaluation]:
    """Return at most ``count`` evaluations from the smallest to the largest (MACs), evenly spaced, both ends among them."""
    ordered = sorted(evaluations, key=lambda one: one.costs["macs"])
    if len(ordered) <= count:
        return ordered
    places = [round(index * (len(ordered) - 1) / (count - 1)) for index in range(count)]
    return [ordered[place] for place in places]
