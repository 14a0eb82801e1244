"""Runs checks in a process of their own, and in another where one of them took the process with it, hung, or broke the GPU's context."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from outcomes import Outcome

POLL_SECONDS = 0.1
LAST_LINES = 3
# Nothing that a GPU does can be tried where there is none.
FIRST = "device"


def supervise(
    worker: Sequence[str], limits: Mapping[str, float], settings: Mapping[str, Any], *, seconds: float, environment: Mapping[str, str]
) -> Iterator[Outcome]:
    """Yield what came of each check of ``limits`` (the most seconds that each may take), in order, in ``seconds`` altogether.

    ``worker`` is called with a file for its results, the settings and the names of checks, as JSON. It writes a line where a check begins
    and one with its outcome, and ends early after a check that leaves a process nothing more should be tried in.
    """
    deadline = time.monotonic() + seconds
    left = list(limits)
    while left:
        if time.monotonic() >= deadline:
            yield from (Outcome(name, "skipped", 0.0, f"the {seconds / 60:g} minutes were over") for name in left)
            return
        for outcome in _one_process(worker, left, limits, settings, deadline=deadline, environment=environment):
            left.remove(outcome.check)
            yield outcome
            if outcome.check == FIRST and outcome.state == "failed":
                yield from (Outcome(name, "skipped", 0.0, "the device did not pass") for name in left)
                return


def _one_process(
    worker: Sequence[str],
    names: Sequence[str],
    limits: Mapping[str, float],
    settings: Mapping[str, Any],
    *,
    deadline: float,
    environment: Mapping[str, str],
) -> Iterator[Outcome]:
    with tempfile.TemporaryDirectory(prefix="gpu_check-results-") as directory:
        results, said = Path(directory) / "results", Path(directory) / "said"
        results.touch()
        given = json.dumps({"results": str(results), "settings": dict(settings), "checks": list(names)})
        with said.open("w") as stream:
            process = subprocess.Popen([*worker, given], env=dict(environment), stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        try:
            yield from _listen(process, names[0], results, said, limits, deadline)
        finally:
            process.kill()
            process.wait()


def _listen(
    process: subprocess.Popen[bytes], first: str, results: Path, said: Path, limits: Mapping[str, float], deadline: float
) -> Iterator[Outcome]:
    # Before its first line the process imports torch, which counts towards the first check.
    running: str | None = first
    began, read = time.monotonic(), 0
    while True:
        ended = process.poll() is not None  # asked first: what was written before the end is read after it
        lines = results.read_text(encoding="utf-8").split("\n")[:-1]
        for line in lines[read:]:
            told = json.loads(line)
            if told["state"] == "begun":
                running, began = told["check"], time.monotonic()
            else:
                running = None
                yield Outcome(**told)
        read = len(lines)
        took = time.monotonic() - began
        if ended:
            if running is not None:
                yield Outcome(running, "failed", took, f"its process ended with {process.returncode}: {_last_words(said)}")
            return
        if running is not None and (took > limits[running] or time.monotonic() >= deadline):
            what = f"it was still running after {took:.0f} s" + (", when all the minutes were over" if time.monotonic() >= deadline else "")
            yield Outcome(running, "failed", took, what)
            return
        time.sleep(POLL_SECONDS)


def _last_words(said: Path) -> str:
    lines = [line.strip() for line in said.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return " / ".join(lines[-LAST_LINES:]) or "it said nothing"
