"""The whole job of every task, from its data to its report, over pictures that are made here."""

from pathlib import Path

import pytest
from tiny_tasks import TASKS, make_task_experiment

from autogc.export import load_package
from autogc.pipeline import Run, check, run_stages

SCORES = {
    "unpaired": {"feature_network": {"name": "dataset_rotations", "args": {"steps": 2, "patch": 32, "batch_size": 2}}},
    "unconditional": {"feature_network": {"name": "dataset_rotations", "args": {"steps": 2, "patch": 32, "batch_size": 2}}},
    "multi_domain": {"feature_network": {"name": "dataset_classifier", "args": {"steps": 2, "batch_size": 2}}},
    "super_resolution": {"feature_network": None, "pixels": {"channel": "y", "border": 2}},
    "imitation": {"feature_network": {"name": "dataset_rotations", "args": {"steps": 2, "patch": 32, "batch_size": 2}}},
    "imitated_enlargement": {"feature_network": None},
    "imitated_noise": {"feature_network": {"name": "dataset_rotations", "args": {"steps": 2, "patch": 32, "batch_size": 2}}},
    "imitated_domains": {"feature_network": {"name": "dataset_classifier", "args": {"steps": 2, "batch_size": 2}}},
    "semantic": {
        "feature_network": {"name": "dataset_segmenter", "args": {"steps": 2, "batch_size": 2}},
        "segmenter": {"name": "dataset_segmenter", "args": {"steps": 2, "batch_size": 2}},
    },
}
EXPECTED = {
    "unpaired": {"fid"},
    "unconditional": {"fid"},
    "multi_domain": {"fid"},
    "super_resolution": {"psnr", "ssim"},
    "imitation": {"fid", "psnr", "ssim"},
    "imitated_enlargement": {"psnr", "ssim"},
    "imitated_noise": {"fid", "psnr", "ssim"},
    "imitated_domains": {"fid", "psnr", "ssim"},
    "semantic": {"fid", "miou", "psnr", "ssim"},
}


@pytest.mark.slow
@pytest.mark.parametrize("task", sorted(TASKS))
def test_the_whole_job(task: str, tmp_path: Path) -> None:
    objective = "fid" if "fid" in EXPECTED[task] else "psnr"
    experiment = make_task_experiment(
        task,
        tmp_path / "data",
        scores={**SCORES[task], "latency": {"warmup": 1, "runs": 2}},
        search={"objectives": [objective, "macs"], "evaluations": 3, "concurrent": 1, "sampler": {"name": "random"}},
    )
    check(experiment)
    with Run.open(tmp_path / "run", experiment) as run:
        report = run_stages(run)
        assert report is not None
        names = [row.name for row in report.rows]
        assert len(run.evaluations) == min(3, run.space.size) and {one.state for one in run.evaluations} == {"complete"}
    assert ("bicubic" in " ".join(names)) == (task in ("super_resolution", "imitated_enlargement"))
    # Of domains there are real images; of inputs and noise alone there are none.
    truths = [row for row in report.rows if row.name.endswith("against the truth")]
    assert len(truths) == (3 if task == "imitated_domains" else 0)
    assert all("fid" in row.scores and "psnr" not in row.scores for row in truths)
    assert any("compare with the teacher's outputs" in note for note in report.notes) == task.startswith("imitat")
    for row in report.rows:
        if row.name in ("teacher", "chosen, from the supernet", "chosen, fine-tuned"):
            assert EXPECTED[task] <= set(row.scores)
    assert (tmp_path / "run" / "report" / "grid.png").stat().st_size > 1000
    assert load_package(report.chosen).scores.keys() >= EXPECTED[task]
