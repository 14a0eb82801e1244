#!/usr/bin/env python3
"""Try on a CUDA machine what autogc does there, in ten minutes, and say what passed, what failed, what was skipped, and what it took.

For a bare machine: Python 3.11 or later with torch 2.11 or later, numpy, safetensors, pyarrow, fvcore (which brings PyYAML and Pillow), and
pydantic, which experiments are read with. Training needs DeepSpeed too; without it those checks are skipped. Ray, MLflow, Optuna, click,
rich and SciPy are not needed: nothing here searches under Ray or is tracked.

What the machine lacks may be carried along as wheels: --wheels DIR installs those that are missing into a temporary directory, which
goes when the command ends. DeepSpeed builds to a small one that is only Python, on a machine that has a network:

    DS_BUILD_OPS=0 pip wheel --no-deps deepspeed -w wheels    # and the same for hjson, msgpack, py-cpuinfo, einops, ninja, psutil, tqdm
    pip download --only-binary :all: pydantic safetensors -d wheels

Checks run in a process of their own, one after the other. One that fails, dies or hangs doesn't keep the others from running.
Exit status: 0 where none failed, 1 where one did, 2 for a wrong argument.

    scripts/gpu_check                                  # a GPU, ten minutes at most
    scripts/gpu_check --wheels wheels --json gpu.json  # what was carried along; the results as data too
    scripts/gpu_check --device cpu --tiny              # to try the command itself, where there is no GPU
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from outcomes import Outcome, table, write_json  # noqa: E402
from supervisor import supervise  # noqa: E402
from wheels import WheelError, install  # noqa: E402

# What each check is called, in the order in which they run, and the most seconds that it may take.
CHECKS = {
    "device": 180,  # torch is imported in it
    "imports": 90,
    "subnets": 120,
    "train float32": 150,
    "train autocast": 150,
    "train bf16": 150,
    "resume": 150,
    "scoring": 120,
    "latency": 90,
    "peak memory": 90,
    "real training": 400,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = argparse.ArgumentParser(prog="gpu_check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1, ..., or cpu to try the command without a GPU")
    parser.add_argument("--minutes", type=float, default=10.0, help="the most that all checks may take [default: %(default)s]")
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="wheels of packages that the machine lacks")
    parser.add_argument(
        "--only", action="append", choices=list(CHECKS), metavar="CHECK", help=f"one of: {', '.join(CHECKS)}; may be repeated"
    )
    parser.add_argument("--tiny", action="store_true", help="the smallest pictures and the fewest steps: tries the checks, not the machine")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results there too")
    given = parser.parse_args(arguments)
    if given.minutes <= 0:
        parser.error(f"--minutes must be positive, got {given.minutes:g}")
    if given.json is not None and not given.json.resolve().parent.is_dir():
        parser.error(f"--json {given.json}: there is no directory {given.json.resolve().parent}")
    names = [name for name in CHECKS if not given.only or name in given.only]
    settings = {"device": given.device, "tiny": given.tiny, "minutes": given.minutes}
    outcomes: list[Outcome] = []
    try:
        # Temporary files of checks go with the directory, those of a check that was ended too.
        with _wheels(given.wheels) as paths, tempfile.TemporaryDirectory(prefix="gpu_check-") as scratch:
            worker = [sys.executable, str(HERE / "worker.py")]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *paths])}
            limits = {name: CHECKS[name] for name in names}
            told = {**settings, "scratch": scratch}
            for outcome in supervise(worker, limits, told, seconds=60 * given.minutes, environment=environment):
                outcomes.append(outcome)
                print(outcome.line(), flush=True)
    except WheelError as error:
        parser.error(str(error))
    print()
    print(table(outcomes))
    if given.json is not None:
        write_json(given.json, outcomes, settings)
        print(f"\n{given.json} has this as data.")
    return 1 if any(one.state == "failed" for one in outcomes) else 0


@contextlib.contextmanager
def _wheels(directory: Path | None) -> Iterator[list[str]]:
    """Give what comes onto the module path: the checkout, what is there already, and last the carried wheels."""
    before = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if directory is None:
        yield [str(HERE.parents[1]), *before]
        return
    with tempfile.TemporaryDirectory(prefix="gpu_check-wheels-") as target:
        print("\n".join(install(directory, Path(target))), flush=True)
        yield [str(HERE.parents[1]), *before, target]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
