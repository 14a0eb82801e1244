"""Packages that were carried to a machine as wheels."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


class WheelError(Exception):
    """Wheels that are not there or can't be installed."""


def install(directory: Path, target: Path) -> list[str]:
    """Install the wheels in ``directory`` whose packages this Python lacks into ``target``; return what was done, in lines.

    Nothing is downloaded and no dependency followed: what is carried is what there is. Raises WheelError.
    """
    wheels = sorted(directory.glob("*.whl"))
    if not wheels:
        raise WheelError(f"--wheels {directory}: there is no .whl file")
    missing = [wheel for wheel in wheels if _installed(wheel) is None]
    lines = [f"carried {wheel.name}: the machine's own {_installed(wheel)} is used" for wheel in wheels if wheel not in missing]
    if missing:
        command = [sys.executable, "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*command, "--target", str(target), *map(str, missing)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise WheelError(f"--wheels {directory}: {(done.stderr.strip() or done.stdout.strip()).splitlines()[-1]}")
        lines += [f"carried {wheel.name}: installed for this command" for wheel in missing]
    return lines


def _installed(wheel: Path) -> str | None:
    """Return the version that this Python has of a wheel's package, or None."""
    try:
        return version(wheel.name.split("-")[0])
    except PackageNotFoundError:
        return None
