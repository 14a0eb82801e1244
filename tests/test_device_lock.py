"""The device's lock: a measurement is alone, work shares, and a killed process holds nothing."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autogc import device_lock
from autogc.device_lock import measuring, working

# Another process, which holds what its argument says until it is told to go.
HOLDER = """
import sys
from pathlib import Path
from autogc import device_lock
device_lock.lock_directory = lambda: Path(sys.argv[1])
with getattr(device_lock, sys.argv[2])(sys.argv[3]) as alone:
    print("holds", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture(autouse=True)
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(device_lock, "lock_directory", lambda: tmp_path)
    return tmp_path


@contextmanager
def held(locks: Path, kind: str, device: str = "cpu") -> Iterator[subprocess.Popen[str]]:
    arguments = [sys.executable, "-c", HOLDER, str(locks), kind, device]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "holds\n"
        try:
            yield process
        finally:
            process.kill()


def test_work_shares_and_a_measurement_is_alone(locks: Path) -> None:
    with held(locks, "working"):
        with working("cpu"):
            pass
        with measuring("cpu", patience=0.1) as alone:
            assert not alone
        # A GPU's work computes on the processor too; the GPU is free.
        with measuring("cuda:0", patience=0.1) as alone:
            assert alone
    with measuring("cpu", patience=5) as alone:
        assert alone


def test_work_waits_for_a_measurement_to_end(locks: Path) -> None:
    with held(locks, "measuring") as process:
        started = time.monotonic()
        subprocess.Popen(["/bin/sh", "-c", f"sleep 0.4; kill -9 {process.pid}"])
        with working("cpu"):
            # Killed, not asked: the kernel gives the lock back.
            assert time.monotonic() - started > 0.3
    assert process.returncode == -signal.SIGKILL


def test_work_on_a_gpu_keeps_measurements_off_both(locks: Path) -> None:
    with held(locks, "working", "cuda"):
        for device, alone in (("cpu", False), ("cuda:0", False), ("cuda:1", True)):
            with measuring(device, patience=0.1) as found:
                assert found is alone


def test_one_process_never_waits_for_itself(locks: Path) -> None:
    with working("cuda"), working("cpu"):
        with measuring("cpu", patience=5) as alone:
            assert alone
            with working("cpu"), measuring("cpu") as nested:
                assert nested
        # What it shared before the measurement it shares again.
        probe = "from autogc import device_lock as d; d.lock_directory = lambda: __import__('pathlib').Path({!r})\n"
        probe = probe.format(str(locks)) + "with d.measuring('cpu', patience=0.1) as alone: print(alone)"
        assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True).stdout == "False\n"
    with measuring("cpu", patience=0.1) as alone:
        assert alone


def test_a_forked_child_holds_its_own(locks: Path) -> None:
    with measuring("cpu") as alone:
        assert alone
        child = os.fork()
        if child == 0:
            with measuring("cpu", patience=0.1) as found:
                os._exit(int(found))
        assert os.waitpid(child, 0)[1] == 0


def test_work_that_waits_for_a_stopped_process_says_for_whom(
    locks: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(device_lock, "SILENT_SECONDS", 0.1)
    with held(locks, "measuring") as process:
        os.kill(process.pid, signal.SIGSTOP)
        subprocess.Popen(["/bin/sh", "-c", f"sleep 0.6; kill -9 {process.pid}"])
        with working("cpu"):
            pass
    (said,) = [record.getMessage() for record in caplog.records if record.name == device_lock.__name__]
    assert f"process {process.pid} (stopped)" in said
    assert str(locks / "cpu.lock") in said


def test_work_behind_a_waiting_measurement_says_what_that_waits_for(
    locks: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(device_lock, "SILENT_SECONDS", 0.1)
    with held(locks, "working") as worker:
        os.kill(worker.pid, signal.SIGSTOP)
        with (locks / "cpu.gate").open("a") as gate:  # As a measurement in another process would hold it: another open file.
            fcntl.flock(gate, fcntl.LOCK_EX)
            opened = threading.Timer(0.5, lambda: fcntl.flock(gate, fcntl.LOCK_UN))
            opened.start()
            with working("cpu"):
                pass
            opened.join()
        os.kill(worker.pid, signal.SIGKILL)
    (said,) = [record.getMessage() for record in caplog.records if record.name == device_lock.__name__]
    assert str(locks / "cpu.gate") in said and f"waits for process {worker.pid} (stopped)" in said
