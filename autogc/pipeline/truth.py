"""In imitation scores compare with the teacher's outputs. Where the data has real images too, the report says how far those are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from autogc.data.imitated import ImitatedDataset
from autogc.files import read_json, write_json
from autogc.metrics import Judge
from autogc.tracking.table import SubnetRow

if TYPE_CHECKING:
    from torch import nn

    from autogc.data import Dataset
    from autogc.pipeline.run import Run

# The end of a row's name.
TRUTH = "against the truth"


def truth_of(data: Dataset) -> Dataset | None:
    """Return the dataset with the real images that an imitation was made of; None where there are inputs alone, or images of another
    size."""
    given = data.given if isinstance(data, ImitatedDataset) else None
    if given is None or given.kind == "inputs" or given.target_shape != data.target_shape or given.test.scale != data.test.scale:
        return None
    return given


def measured_against_truth(run: Run, generators: Mapping[str, tuple[str, nn.Module]]) -> tuple[SubnetRow, ...]:
    """Score generators on the real images of the test split, once in the life of the run; nothing where there are none.

    ``generators`` are an identity, which the scores are kept by, and a module, by the row's name. Networks that are trained to judge are
    trained on the real images, and kept in ``evaluators_truth``.
    """
    from autogc.pipeline.score import generating  # which tells of the truth, too

    given = truth_of(run.data)
    if given is None:
        return ()
    judge: Judge | None = None
    rows = []
    for name, (identity, module) in generators.items():
        path = run.stage_directory("report") / "measured" / f"{identity}-truth.json"
        if not path.is_file():
            judge = judge or Judge.prepare(
                run.experiment.scores,
                given,
                run.directory / "evaluators_truth",
                seed=run.experiment.seed,
                device=run.device,
                progress=run.progress,
                discriminator=run.discriminator,
            )
            judged = judge.score(generating(module, run.device), given.test)
            row = SubnetRow(name, scores=judged.scores, intervals=judged.intervals, details=judged.details)
            write_json(path, row.to_json())
        row = SubnetRow.from_json(read_json(path))
        rows.append(SubnetRow(f"{name}, {TRUTH}", scores=row.scores, intervals=row.intervals, details=row.details))
    return tuple(rows)


def truth_note(data: Dataset) -> tuple[str, ...]:
    """Return the sentence that says what scores compare with; none but in imitation."""
    if not isinstance(data, ImitatedDataset):
        return ()
    real = f", those of rows that say '{TRUTH}' with the dataset's real images" if truth_of(data) is not None else ""
    return (f"Imitation: the scores compare with the teacher's outputs, rounded to 8 bits{real}.",)
