"""ESPNet with its published weights: the mIoU on real CamVid photographs that was measured before autogc existed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from autogc.config.experiment import Component, ScoresConfig
from autogc.data import DATASETS
from autogc.errors import CheckpointError, ConfigError
from autogc.metrics import SEGMENTERS, Judge, confusion_matrix, mean_iou, pixel_accuracy
from autogc.metrics.judge_networks.espnet import CAMVID_CLASSES, ESPNet

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
WEIGHTS = SHARED / "weights" / "espnet_p_2_q_8_camvid.pth"
STREETS = DATASETS.build("streets", {}, seed=0)
STREETS.class_names = CAMVID_CLASSES


def camvid(limit=None):
    root = SHARED / "camvid-256x192"
    if not root.is_dir() or not WEIGHTS.is_file():
        pytest.skip(f"the real images or the published weights are not there: {SHARED}")
    arguments = {
        "root": str(root),
        "train": {"input": "valannot", "target": "val"},
        "validation": {"input": "valannot", "target": "val", "judged": "valannot-480x360"},
        "test": {"input": "testannot", "target": "test", "judged": "testannot-480x360"},
        "classes": "classes.txt",
        "ignore_index": 11,
        "height": 192,
        "width": 256,
        "limit": limit,
    }
    return DATASETS.build("paired_folders", arguments, seed=0)


def judge_of(data, directory):
    espnet = Component(name="espnet_camvid", args={"weights": str(WEIGHTS)})
    return Judge.prepare(ScoresConfig(feature_network=None, segmenter=espnet), data, directory, seed=0)


@pytest.mark.data
def test_real_photographs_are_judged_at_their_labels_own_size(tmp_path):
    """A few of them, against the network's classes at 480x360 and the files, put together here by hand."""
    data = camvid(limit=4)
    judge = judge_of(data, tmp_path / "evaluators")
    network, confusion = judge.networks.segmenter, torch.zeros(11, 12, dtype=torch.int64)
    with torch.inference_mode():
        for batch in data.test.batches(1):
            found = network(network.preprocess(batch.target))[0].argmax(0)
            found[found == 11] = 255
            labels = Image.open(SHARED / "camvid-256x192" / "testannot-480x360" / f"{batch.names[0]}.png")
            labels = torch.from_numpy(np.array(labels).astype(np.int64))
            labels[labels == 11] = 255
            assert found.shape == labels.shape == (360, 480)
            confusion += confusion_matrix(found, labels, classes=11)
    # The same photographs in batches, whose sums come in another order: a pixel here and there may tip over.
    real = judge.real_images(data.test).scores
    assert real["miou"] == pytest.approx(mean_iou(confusion), abs=1e-4)
    assert real["pixel_accuracy"] == pytest.approx(pixel_accuracy(confusion), abs=1e-4)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(("split", "expected"), [("test", 0.5580), ("validation", 0.6985)])
def test_the_whole_of_camvid_gives_the_figures_that_were_measured_elsewhere(split, expected, tmp_path):
    data = camvid()
    judge = judge_of(data, tmp_path / "evaluators")
    assert judge.real_images(getattr(data, split)).scores["miou"] == pytest.approx(expected, abs=1e-4)


def test_pictures_are_seen_as_the_network_was_trained():
    white = ESPNet().preprocess(torch.ones(1, 3, 30, 40))
    assert white.shape == (1, 3, 360, 480)
    # Blue first: (255 - mean) / deviation / 255, by hand.
    assert white[0, :, 0, 0].tolist() == pytest.approx([0.0078661, 0.0079086, 0.0084130], abs=1e-6)


def test_a_checkpoint_that_does_not_fit_names_what_differs(tmp_path):
    state = ESPNet().state_dict()
    state["classifier.weight"] = torch.zeros(3, 3)
    del state["br.bias"]
    state["head.weight"] = torch.zeros(1)
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=r"missing: br.bias; unexpected: head.weight; of another shape: classifier.weight"):
        SEGMENTERS.build("espnet_camvid", {"weights": str(tmp_path / "other.pth")}, data=STREETS, seed=0)


@pytest.mark.parametrize("content", [b"", b"no weights", None])
def test_a_file_that_is_no_checkpoint(tmp_path, content):
    path = tmp_path / "bad.pth"
    if content is None:
        torch.save([1, 2], path)
    else:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"bad\.pth"):
        SEGMENTERS.build("espnet_camvid", {"weights": str(path)}, data=STREETS, seed=0)


def test_a_file_that_runs_code_is_not_run(tmp_path):
    class Touch:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"weight": Touch()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError):
        SEGMENTERS.build("espnet_camvid", {"weights": str(tmp_path / "evil.pth")}, data=STREETS, seed=0)
    assert not (tmp_path / "ran").exists()


def test_a_missing_file_and_other_classes_are_both_said(tmp_path):
    with pytest.raises(ConfigError, match=r"(?s)the dataset has sky, sun.*none\.pth does not exist; .*dataset_segmenter"):
        SEGMENTERS.build("espnet_camvid", {"weights": str(tmp_path / "none.pth")}, data=DATASETS.build("streets", {}, seed=0), seed=0)
