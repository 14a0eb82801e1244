from __future__ import annotations

import csv
import json

import pytest
from PIL import Image

from autogc.tracking import SubnetRow, markdown_table, row_of, write_report

ROWS = [
    SubnetRow(
        "teacher", scores={"fid": 20.0, "miou": 0.5}, macs=8e9, params=4e6, storage_bytes=16e6, latency_ms=100.0, latency_spread_ms=2.5
    ),
    SubnetRow(
        "a3f09c11", scores={"fid": 25.5, "miou": 0.45}, macs=1e9, params=1e6, storage_bytes=5e5, latency_ms=12.5, latency_spread_ms=0.31
    ),
    SubnetRow("a3 & <b>", scores={"fid": 22.0}, macs=1e9),
]


def test_the_table_compares_costs_with_the_teacher():
    lines = markdown_table(ROWS).splitlines()
    assert lines[0] == "| subnet | FID | mIoU | MACs | Parameters | Stored size | Latency |"
    assert lines[2] == "| teacher | 20.00 | 0.500 | 8.000 G | 4.000 M | 16.00 MB | 100.0 ± 2.5 ms |"
    assert lines[3] == "| a3f09c11 | 25.50 | 0.450 | 1.000 G (8.0x) | 1.000 M (4.0x) | 500.0 kB (32.0x) | 12.50 ± 0.31 ms (8.0x) |"
    assert lines[4] == "| a3 & <b> | 22.00 | - | 1.000 G (8.0x) | - | - | - |"


def test_without_a_teacher_there_are_no_ratios():
    assert "x)" not in markdown_table(ROWS[1:])


def test_an_evaluation_as_a_row(evaluations):
    row = row_of(evaluations[1])
    assert row == SubnetRow(evaluations[1].candidate.hash[:8], scores={"fid": 30.0, "miou": 0.4}, macs=2e9, params=1e5, storage_bytes=2e6)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_json(row):
    assert SubnetRow.from_json(json.loads(json.dumps(row.to_json()))) == row


def test_a_row_of_a_run_whose_scores_stood_beside_its_costs_is_read():
    old = {"name": "teacher", "fid": 20.0, "miou": None, "macs": 8e9, "latency_ms": 2.0, "latency_spread_ms": 0.5}
    assert SubnetRow.from_json(old) == SubnetRow("teacher", scores={"fid": 20.0}, macs=8e9, latency_ms=2.0, latency_spread_ms=0.5)


def test_scores_have_columns_of_their_own_in_the_metrics_order():
    lines = markdown_table([SubnetRow("bicubic", scores={"ssim": 0.81042, "psnr": 28.4216}), SubnetRow("teacher", macs=1e9)]).splitlines()
    assert lines[0] == "| subnet | PSNR | SSIM | MACs |"
    assert lines[2:] == ["| bicubic | 28.42 dB | 0.8104 | - |", "| teacher | - | - | 1.000 G |"]


def test_what_scores_are_made_of_stands_beside_the_subnets(tmp_path, experiment_with, evaluations):
    details = {"miou": {"sky": 0.9, "tram | bus": 0.25}, "pixel_accuracy": {"sky": 0.95, "tram | bus": 0.5}}
    rows = [
        SubnetRow("teacher", scores={"miou": 0.575}, details=details),
        SubnetRow("chosen & <small>", scores={"miou": 0.8}, details={"miou": {"sky": 0.8}}),
        SubnetRow("bicubic", scores={"psnr": 20.0}),
    ]
    page = write_report(
        tmp_path / "report", experiment=experiment_with(), evaluations=evaluations, rows=rows, provenance={}, command="autogc run"
    )
    text = (page.parent / "report.md").read_text(encoding="utf-8")
    lines = text[text.index("## What the scores are made of") :].splitlines()
    assert lines[2:6] == [
        "| mIoU | teacher | chosen & <small> |",
        "| --- | ---: | ---: |",
        "| sky | 0.900 | 0.800 |",
        "| tram \\| bus | 0.250 | - |",
    ]
    assert lines[7:] and lines[7] == "| Pixel acc. | teacher |"
    assert "<td>sky</td><td>0.900</td><td>0.800</td>" in page.read_text(encoding="utf-8")
    with (page.parent / "parts.csv").open(encoding="utf-8", newline="") as stream:
        found = list(csv.reader(stream))
    assert found[0] == ["subnet", "score", "part", "value"] and found[2] == ["teacher", "miou", "tram | bus", "0.25"] and len(found) == 6
    assert SubnetRow.from_json(json.loads(json.dumps(rows[0].to_json()))) == rows[0]


@pytest.fixture
def written(tmp_path, experiment_with, evaluations):
    grid = tmp_path / "grid.png"
    Image.new("RGB", (10, 10)).save(grid)
    experiment = experiment_with(seed=5, search={"constraints": {"macs": 3.5e9}})
    return write_report(
        tmp_path / "report",
        experiment=experiment,
        evaluations=evaluations,
        rows=ROWS,
        provenance={"feature_network": "a network & its data", "images": 233, "resizing": None},
        command="autogc run small.yaml",
        grid=grid,
        teacher={"fid": 21.0, "macs": 8e9},
    )


def test_a_report_holds_everything_together(written):
    directory = written.parent
    names = {path.name for path in directory.iterdir()}
    assert names == {"report.md", "index.html", "front.csv", "front.html", "front.png", "hypervolume.png", "grid.png"}
    page = written.read_text(encoding="utf-8")
    for name in names - {"report.md", "index.html"}:
        assert f'"{name}"' in page
    assert "http://" not in page and "https://" not in page  # nothing from a network
    assert "a3 &amp; &lt;b&gt;" in page and "a network &amp; its data" in page


def test_a_report_says_where_numbers_come_from(written):
    text = (written.parent / "report.md").read_text(encoding="utf-8")
    for said in (
        "**command**: autogc run small.yaml",
        "**seed**: 5",
        "**feature network**: a network & its data",
        "**images**: 233",
        "**evaluations**: 6, of which 5 complete",
        "**failed because**: images hold NaN (1)",
        "**constraints**: macs at most 3.5e+09",
        "**latency**: batch 1 on cpu, PyTorch eager, median of 100 runs after 100",
    ):
        assert said in text
    assert markdown_table(ROWS) in text


def test_the_front_leaves_out_what_is_over_a_constraint(written, evaluations):
    with (written.parent / "front.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["hash"] for row in rows] == [evaluations[0].candidate.hash, evaluations[1].candidate.hash]
    assert float(rows[1]["macs"]) == 2e9 and rows[1]["width/stem"] == "16"


def test_nothing_complete_still_makes_a_report(tmp_path, experiment, evaluations):
    page = write_report(tmp_path, experiment=experiment, evaluations=evaluations[4:5], rows=(), provenance={}, command="autogc run")
    assert {path.name for path in tmp_path.iterdir()} == {"report.md", "index.html"}
    assert "failed because" in page.read_text(encoding="utf-8")
