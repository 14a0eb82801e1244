"""``autogc data``: what it prints, and its exit status."""

import warnings
from pathlib import Path

import numpy as np
import torch
import yaml
from click.testing import CliRunner
from PIL import Image

from autogc.cli import main
from autogc.data import DATASETS
from autogc.metrics.statistics import load

QUICKSTART = Path(__file__).resolve().parents[2] / "search_spaces" / "quickstart.yaml"
SMALL = [part for key, count in (("train", 5), ("validation", 3), ("test", 2)) for part in ("--set", f"data.args.{key}={count}")]


def run(*arguments):
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


def test_check_a_space():
    result = run("check", QUICKSTART, *SMALL)
    assert result.exit_code == 0, result.output
    assert "synthetic streets" in result.output and "Shares of the labelled pixels" in result.output
    rows = {line.split()[0]: line.split() for line in result.output.splitlines() if line.strip()}
    assert rows["train"][1:3] == ["5", "5"] and rows["validation"][1] == "3"


def test_check_folders_names_every_bad_file_and_exits_with_2(tmp_path):
    for index in range(30):
        Image.fromarray(np.full((8, 8 + index, 3), index, np.uint8)).save(tmp_path / f"{index}.png")
    for name in ("a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"x")
    result = run("check", tmp_path)
    assert result.exit_code == 2
    assert "Cannot be used (2):" in result.output and "a.png cannot" in result.output and "b.jpg cannot" in result.output
    assert "8x8 to 37x8, median 23x8" in result.output


def test_check_says_what_is_there_twice(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / folder / "same.png")
    result = run("check", tmp_path / "one", tmp_path / "two")
    assert result.exit_code == 0
    assert "In more than one split (1):" in result.output and f"{tmp_path}/one/same.png = {tmp_path}/two/same.png" in result.output


def test_check_takes_a_space_or_folders(tmp_path):
    assert run("check", QUICKSTART, tmp_path).exit_code == 2
    assert "folders were given" in run("check", tmp_path, "--set", "a=1").output
    assert "no such folder" in run("check", tmp_path / "nowhere").output


def test_pack_says_what_to_write_and_that_works(tmp_path):
    target = tmp_path / "packed"
    result = run("pack", QUICKSTART, target, "--rows-per-shard", 2, *SMALL)
    assert result.exit_code == 0, result.output
    assert "6 shards" in result.output
    start = result.output.index("data:\n")
    section = yaml.safe_load(result.output[start : result.output.index("In a bucket")])["data"]
    data = DATASETS.build(section["name"], section["args"], seed=0)
    assert [len(split) for split in data.splits] == [5, 3, 2]
    again = run("pack", QUICKSTART, target, *SMALL)
    assert again.exit_code == 2 and "exists already" in again.output


def test_statistics_say_how_to_compare_with_them(tmp_path):
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Conv2d(3, 4, 5, stride=4)), tmp_path / "net.pt")
    network = f"scores.feature_network={{name: network_file, args: {{file: {tmp_path / 'net.pt'}}}}}"
    out = tmp_path / "test.safetensors"
    result = run("statistics", QUICKSTART, "--out", out, "--set", network, *SMALL)
    assert result.exit_code == 0, result.output
    assert "2 pictures of the test split, 4 features of the TorchScript file net.pt" in result.output
    section = yaml.safe_load(result.output[result.output.index("scores:\n") :])
    assert load(section["scores"]["reference"]["test"]).images == 2
    other = run("statistics", QUICKSTART, "--out", tmp_path / "test.npz", "--set", network, *SMALL)
    assert other.exit_code == 2 and "write a .safetensors" in other.output
    trained = run("statistics", QUICKSTART, "--out", out, *SMALL)
    assert trained.exit_code == 2 and "is trained anew for each run" in trained.output
