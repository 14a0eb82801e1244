"""The batch size that a search evaluates in."""

from __future__ import annotations

from pathlib import Path

import pytest

from autogc.files import read_json
from autogc.progress import Silent
from autogc.search.batches import fitting


def found(path: Path, times: dict[int, float], *, images: int = 500) -> int:
    """Choose where a batch of each size takes so long, and others do not fit."""

    def seconds(size: int) -> float:
        if size not in times:
            raise RuntimeError("out of memory")
        return times[size]

    return fitting("auto", images=images, seconds=seconds, directory=path, progress=Silent())


@pytest.mark.parametrize(
    ("times", "images", "expected"),
    [
        ({4: 8.0, 8: 5.0, 16: 4.9, 32: 1.0}, 500, 8),  # a step that saves next to nothing ends it
        ({4: 8.0, 8: 5.0, 16: 3.0}, 500, 16),  # what does not fit ends it
        ({4: 8.0, 8: 5.0, 16: 3.0, 32: 1.0}, 10, 16),  # no more at once than there are
        ({4: 8.0, 8: 9.0}, 500, 4),
    ],
)
def test_the_largest_batch_that_helps(tmp_path: Path, times: dict[int, float], images: int, expected: int) -> None:
    assert found(tmp_path, times, images=images) == expected
    assert read_json(tmp_path / "batch_size.json")["batch_size"] == expected
    assert found(tmp_path, {}) == expected  # a search that goes on


def test_a_number_is_taken_at_its_word(tmp_path: Path) -> None:
    assert fitting(7, images=100, seconds=lambda size: 1 / 0, directory=tmp_path, progress=Silent()) == 7
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        found(tmp_path, {})
