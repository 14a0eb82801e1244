"""ESPNet with its published weights: the mIoU on real CamVid photographs that was measured before autogc existed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from autogc.data import DATASETS
from autogc.errors import CheckpointError, ConfigError
from autogc.metrics import SEGMENTERS, confusion_matrix, mean_iou
from autogc.metrics.judge_networks.espnet import CAMVID_CLASSES, ESPNet

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"
WEIGHTS = SHARED / "weights" / "espnet_p_2_q_8_camvid.pth"
STREETS = DATASETS.build("streets", {}, seed=0)
STREETS.class_names = CAMVID_CLASSES


def camvid():
    root = SHARED / "camvid-256x192"
    if not root.is_dir() or not WEIGHTS.is_file():
        pytest.skip(f"the real images or the published weights are not there: {SHARED}")
    folders = {"train": ("valannot", "val"), "validation": ("valannot", "val"), "test": ("testannot", "test")}
    splits = {name: {"input": labels, "target": photos} for name, (labels, photos) in folders.items()}
    arguments = {"root": str(root), **splits, "classes": "classes.txt", "ignore_index": 11, "height": 192, "width": 256}
    return root, DATASETS.build("paired_folders", arguments, seed=0)


def real_miou(every):
    """Return the mIoU on every so manyth test photograph, at 480x360 and at the dataset's own size."""
    root, data = camvid()
    network = SEGMENTERS.build("espnet_camvid", {"weights": str(WEIGHTS)}, data=data, seed=0)
    full = small = torch.zeros(11, 11, dtype=torch.int64)
    with torch.inference_mode():
        for index in range(0, len(data.test), every):
            batch = data.test.batch([index])
            labels = np.array(Image.open(root / "testannot-480x360" / f"{batch.names[0]}.png")).astype(np.int64)
            full = full + confusion_matrix(network.segment_full(batch.target)[0], torch.from_numpy(labels), classes=11, ignore_index=11)
            small = small + confusion_matrix(network.segment(batch.target), batch.labels, classes=11)
    return mean_iou(full), mean_iou(small)


@pytest.mark.data
def test_the_published_weights_segment_real_photographs():
    """Every 24th photograph: near the whole set's figure, and the same at both sizes."""
    full, small = real_miou(every=24)
    assert 0.45 < full < 0.66
    assert small == pytest.approx(full, abs=0.01)


@pytest.mark.data
@pytest.mark.slow
def test_the_whole_test_set_gives_the_measured_figure():
    full, small = real_miou(every=1)
    assert full == pytest.approx(0.5580, abs=0.003)
    assert small == pytest.approx(0.5580, abs=0.005)


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
