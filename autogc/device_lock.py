"""Who uses a device of this machine: work shares it, a measurement has it alone, across all autogc processes of one user.

The locks are the kernel's (flock), on files in the temporary directory: they go with the process, however it ends.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

POLL_SECONDS = 0.02
# How long a measurement waits for the work of other processes; an evaluation rarely takes longer.
PATIENCE_SECONDS = 600.0
# How long work waits before it says for whom.
SILENT_SECONDS = 60.0


@dataclass
class _Device:
    """One device as this process holds it. ``gate`` is passed through by work and held by a waiting measurement, or work that never pauses
    in several processes would keep measurements out for ever."""

    lock: IO[str]
    gate: IO[str]
    shared: int = 0
    exclusive: int = 0
    guard: threading.RLock = field(default_factory=threading.RLock)

    def take_shared(self) -> None:
        _wait_shared(self.gate, behind=self.lock)
        try:
            _wait_shared(self.lock)
        finally:
            fcntl.flock(self.gate, fcntl.LOCK_UN)

    def take_exclusive(self, patience: float) -> bool:
        deadline = time.monotonic() + patience
        got = _poll(self.gate, deadline) and _poll(self.lock, deadline)
        fcntl.flock(self.gate, fcntl.LOCK_UN)
        return got

    def drop(self) -> None:
        fcntl.flock(self.lock, fcntl.LOCK_UN)


_HELD: dict[tuple[int, Path, str], _Device] = {}


def lock_directory() -> Path:
    """Return where this user's locks are on this machine."""
    return Path(tempfile.gettempdir()) / f"autogc-{os.getuid()}"


@contextmanager
def working(device: str) -> Iterator[None]:
    """Compute on ``device`` (``cpu``, ``cuda``, ``cuda:1``) beside other work, but beside no measurement: waits for one to end.

    Work on a GPU keeps the processor busy too, so it shares both. May be nested; does nothing inside a measurement of this process. In
    steps that wait for other processes only one of these may ask for it, or they could wait for each other.
    """
    devices = [_device(name) for name in dict.fromkeys(("cpu", _named(device)))]
    for one in devices:
        with one.guard:
            if not one.shared and not one.exclusive:
                one.take_shared()
            one.shared += 1
    try:
        yield
    finally:
        for one in devices:
            with one.guard:
                one.shared -= 1
                if not one.shared and not one.exclusive:
                    one.drop()


@contextmanager
def measuring(device: str, *, patience: float = PATIENCE_SECONDS) -> Iterator[bool]:
    """Have ``device`` alone: waits for the work and the measurements of other processes to end, ``patience`` seconds at most.

    Yields whether it is alone. What this process shares itself is let go for the time, all of it before anything is waited for, so that
    two processes that share a device and both want to measure on it don't wait for each other. A process counts as one.
    """
    wanted = _device(_named(device))
    with wanted.guard:
        if wanted.exclusive:
            yield True
            return
        paused = [one for (process, _, _), one in _HELD.items() if process == os.getpid() and one.shared]
        for one in paused:
            one.drop()
        try:
            alone = wanted.take_exclusive(patience)
            wanted.exclusive += 1
            try:
                yield alone
            finally:
                wanted.exclusive -= 1
                if alone:
                    wanted.drop()
        finally:
            for one in paused:
                one.take_shared()


def _device(name: str) -> _Device:
    # By process: a forked child shares its parent's open files, and with them its locks, so it opens its own.
    directory = lock_directory()
    key = (os.getpid(), directory, name)
    if key not in _HELD:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        base = name.replace(":", "-")
        _HELD[key] = _Device((directory / f"{base}.lock").open("a"), (directory / f"{base}.gate").open("a"))
    return _HELD[key]


def _named(device: str) -> str:
    return "cuda:0" if device == "cuda" else device


def _wait_shared(stream: IO[str], *, behind: IO[str] | None = None) -> None:
    """Take a shared lock, however long that takes; after ``SILENT_SECONDS`` say whom it waits for, since that may be a stopped process.

    Whoever holds a gate is about to measure, and itself waits for those that hold the lock ``behind`` it.
    """
    if _poll(stream, time.monotonic() + SILENT_SECONDS, fcntl.LOCK_SH):
        return
    said = f"{stream.name} is held by another autogc process that measures on it: {_said(stream)}"
    if behind is not None:
        said = f"{stream.name} is held by another autogc process that is to measure on it, {_said(stream)}, and waits for {_said(behind)}"
    logging.getLogger(__name__).warning("waiting until the device is free: %s", said)
    fcntl.flock(stream, fcntl.LOCK_SH)


def _said(stream: IO[str]) -> str:
    held = ", ".join(f"{process} ({_state(process)})" for process in holders(stream))
    return f"process {held}" if held else "a process that the kernel does not name"


def holders(stream: IO[str]) -> list[int]:
    """Return the processes, other than this one, that hold a lock on ``stream``'s file, as far as the kernel tells."""
    inode = os.fstat(stream.fileno()).st_ino
    try:
        lines = Path("/proc/locks").read_text().splitlines()
    except OSError:
        return []
    # 1: FLOCK  ADVISORY  WRITE 4711 08:01:1234 0 EOF; a waiting one has an arrow after the number.
    held = [fields for fields in map(str.split, lines) if len(fields) == 8 and fields[1] == "FLOCK"]
    return sorted({int(fields[4]) for fields in held if int(fields[5].rpartition(":")[2]) == inode} - {os.getpid()})


def _state(process: int) -> str:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return "gone"
    return next((line.partition("(")[2].rstrip(")") for line in status.splitlines() if line.startswith("State:")), "unknown")


def _poll(stream: IO[str], deadline: float, how: int = fcntl.LOCK_EX) -> bool:
    while True:
        try:
            fcntl.flock(stream, how | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
