"""One process at a time on a run directory."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from autogc.errors import RunDirectoryError


class DirectoryLock:
    """Held from construction until ``release``, or until the process ends, however it ends.

    The kernel drops the lock with the process, so a killed run leaves nothing to clean up.
    Raises RunDirectoryError, naming the holder's process id, where another process holds it.
    """

    def __init__(self, directory: Path) -> None:
        self._stream: IO[str] = (directory / ".lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._stream.seek(0)
            holder = self._stream.read().strip() or "unknown"
            self._stream.close()
            message = f"{directory} is in use by another autogc process (id {holder}); wait for it, or use another --run-dir"
            raise RunDirectoryError(message) from None
        self._stream.truncate(0)
        self._stream.write(str(os.getpid()))
        self._stream.flush()

    def release(self) -> None:
        """Let the next process in. May be called twice."""
        self._stream.close()
