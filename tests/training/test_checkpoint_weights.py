"""Weights from elsewhere: what fits is loaded, what doesn't is named."""

import pickle
from pathlib import Path

import pytest
import torch
from torch import nn

from autogc.errors import CheckpointError
from autogc.training.weights import load_weights, read_weights, save_weights


class Harmful:
    def __reduce__(self):
        return (Path.touch, (Path("ran"),))


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))


@pytest.mark.parametrize("kind", ["safetensors", "pth", "wrapped"])
def test_every_format_loads(kind: str, tmp_path: Path) -> None:
    source, target = net(), net()
    path = tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pth")
    if kind == "safetensors":
        save_weights(path, source.state_dict())
    else:
        torch.save({"state_dict": source.state_dict(), "epoch": 3} if kind == "wrapped" else source.state_dict(), path)
    load_weights(target, path, what="the generator")
    assert all(torch.equal(a, b) for a, b in zip(source.parameters(), target.parameters(), strict=True))


def test_every_name_and_shape_that_does_not_fit_is_named(tmp_path: Path) -> None:
    state = net().state_dict()
    state["extra.weight"] = state.pop("0.bias")
    state["1.weight"] = torch.zeros(1, 5)
    save_weights(tmp_path / "w.safetensors", state)
    with pytest.raises(CheckpointError) as caught:
        load_weights(net(), tmp_path / "w.safetensors", what="the generator")
    message = str(caught.value)
    assert "missing: 0.bias" in message and "unexpected: extra.weight" in message
    assert "1.weight is (1, 5), needed (1, 3)" in message and "the generator" in message and "w.safetensors" in message


def test_long_lists_are_cut(tmp_path: Path) -> None:
    save_weights(tmp_path / "w.safetensors", {f"layer{index:02}": torch.zeros(1) for index in range(30)})
    with pytest.raises(CheckpointError, match="layer11, and 18 more"):
        load_weights(net(), tmp_path / "w.safetensors", what="the generator")


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Path("w.pth").open("wb") as stream:
        pickle.dump(Harmful(), stream, protocol=2)
    torch.save({"state_dict": Harmful()}, "v.pth")
    for name in ("w.pth", "v.pth"):
        with pytest.raises(CheckpointError, match=name):
            read_weights(name)
    assert not Path("ran").exists()


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_damaged_and_absent_files_are_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        read_weights(tmp_path / name)
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(CheckpointError, match=f"{name} cannot be read as weights"):
        read_weights(tmp_path / name)


def test_what_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    torch.save([torch.zeros(1)], tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="no state dict"):
        read_weights(tmp_path / "w.pth")


@pytest.mark.parametrize("content", [b"hello\n", b"0", b"a.", b"\x85."])
def test_what_only_begins_like_a_pickle_is_named_too(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read as weights"):
        read_weights(tmp_path / "w.pth")
