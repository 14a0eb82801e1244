"""A generator's row: every score that its pictures suffice for, and what is left out said below."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from autogc.config.experiment import Component, LatencyConfig, ScoresConfig
from autogc.data import DATASETS
from autogc.metrics import Judge
from autogc.pipeline.score import measure, notes


def test_of_few_test_pictures_those_scores_are_shown_that_they_suffice_for(tmp_path: Path) -> None:
    data = DATASETS.build("streets", {"height": 32, "width": 32, "train": 4, "validation": 4, "test": 3}, seed=0)
    network = Component(name="dataset_segmenter", args={"steps": 2, "batch_size": 2, "width": 4})
    latency = LatencyConfig(warmup=0, runs=1, threads=1, patience_s=0)
    scores = ScoresConfig(feature_network=network, segmenter=network, latency=latency)
    judge = Judge.prepare(scores, data, tmp_path / "judge", seed=0)
    experiment = SimpleNamespace(scores=scores)
    run: Any = SimpleNamespace(data=data, directory=tmp_path, judge=judge, device=torch.device("cpu"), experiment=experiment)
    row = measure(run, "subnet", nn.Conv2d(data.input_shape[0], 3, 1), costs={})
    assert set(row.scores) == set(judge.metrics) - {"precision", "recall"}
    said = notes(run, split="test", rows=[row])
    needed = "precision needs at least 4 generated images, and there are 3"
    assert f"Precision is left out: {needed}: score more of them, or use more data." in said
    assert not any("Recall:" in note for note in said)
