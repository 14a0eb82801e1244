"""What a stage says and draws while it works, as MLflow gets it."""

from pathlib import Path
from typing import Any

from autogc.pipeline.tracked import TrackedProgress
from autogc.progress import Silent


class Tracker:
    def __init__(self) -> None:
        self.curves: list[tuple[str, int, dict[str, float]]] = []
        self.files: list[tuple[str, str | None]] = []

    def metrics(self, stage: str, step: int, values: dict[str, float]) -> None:
        self.curves.append((stage, step, values))

    def artifact(self, path: Path, *, under: str | None = None) -> None:
        self.files.append((path.name, under))


def test_drawings_are_sent_once_with_the_figures_that_follow_them(tmp_path: Path) -> None:
    tracker: Any = Tracker()
    progress = TrackedProgress(Silent(), tracker, stage="supernet", drawings=tmp_path / "watch")
    progress.update(1, loss=2.0)  # the directory is not there yet
    (tmp_path / "watch").mkdir()
    for name in ("10.png", ".20.png.x.part", "history.json"):
        (tmp_path / "watch" / name).write_text("")
    progress.update(10)
    assert tracker.files == []
    progress.update(10, **{"watch/full_db": 30.0})
    (tmp_path / "watch" / "20.png").write_text("")
    progress.update(20, loss=1.0)
    progress.update(30, loss=0.5)
    assert tracker.files == [("10.png", "supernet/watch"), ("20.png", "supernet/watch")]
    assert tracker.curves[1] == ("supernet", 10, {"watch/full_db": 30.0})
