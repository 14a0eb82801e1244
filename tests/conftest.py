"""Tests run in several processes at once (pytest-xdist). Each has a temporary directory of its own, since that is where the locks are that
autogc processes of one machine share, and its share of the cores."""

import atexit
import os
import shutil
import tempfile

if "PYTEST_XDIST_WORKER" in os.environ:
    # Short: Ray puts sockets under it, and a socket's path has at most 107 characters.
    os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="t-", dir=tempfile.gettempdir())
    tempfile.tempdir = None
    atexit.register(shutil.rmtree, os.environ["TMPDIR"], ignore_errors=True)
    cores = len(os.sched_getaffinity(0)) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores)))
