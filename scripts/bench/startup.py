#!/usr/bin/env python3
"""Time what a user waits for before anything is done: ``autogc --help``, and ``import autogc``, beside Python's own start.

Says which of the heavy libraries each of them imports; help and import must come without ray, mlflow, deepspeed and optuna.

    python scripts/bench/startup.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

HEAVY = ("ray", "mlflow", "deepspeed", "optuna", "torch")
HELP = """
import sys
sys.argv = ["autogc", "--help"]
from autogc.cli import main
try:
    main()
except SystemExit:
    pass
"""
COMMANDS = {
    "python": "pass",
    "import autogc": "import autogc",
    "autogc --help": HELP,
    "import torch, for comparison": "import torch",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="the quickest of so many starts counts")
    given = parser.parse_args()
    print(f"{'':30} {'seconds':>8} {'of import torch':>16}  imports of {', '.join(HEAVY)}")
    found = {name: quickest(code, given.repeats) for name, code in COMMANDS.items()}
    torch = found["import torch, for comparison"][0]
    for name, (seconds, imported) in found.items():
        print(f"{name:30} {seconds:>8.2f} {seconds / torch:>16.0%}  {', '.join(imported) or 'none'}")


def quickest(code: str, repeats: int) -> tuple[float, list[str]]:
    """Return the seconds of the quickest of ``repeats`` fresh interpreters running ``code``, and what of ``HEAVY`` it imported."""
    shown = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    best, imported = float("inf"), []
    for _ in range(repeats):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", shown], capture_output=True, text=True, check=True)
        best, imported = min(best, time.perf_counter() - start), done.stderr.split()
    return best, imported


if __name__ == "__main__":
    main()
