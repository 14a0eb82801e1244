"""How a run's subnet is chosen: by a name, by a hash, or by what its scores must be."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

# A name or a hash; or score -> an absolute limit, or "10%" for within a tenth of the teacher's.
Pick = str | dict[str, float | str]
PERCENT = re.compile(r"^\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*%\s*$")

COUNT = re.compile(r"^([0-9]*\.?[0-9]+(?:[eE][0-9]+)?)([kMG]?)$")
SCALES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}


def parse_pick(value: Any, *, scores: Collection[str]) -> Any:
    """Return ``knee`` and the like as they are, and limits on scores as a mapping: ``{"fid": "10%", "psnr": 29.5}``.

    ``fid:10%,psnr:29.5`` is such a mapping too, as a command line has it. Raises ValueError with every problem.

    >>> parse_pick("fid:10%, psnr:29.5", scores=("fid", "psnr"))
    {'fid': '10%', 'psnr': 29.5}
    """
    if isinstance(value, str) and ":" in value:
        parts = [part.partition(":") for part in value.split(",")]
        value = {name.strip(): limit.strip() for name, _, limit in parts}
    if not isinstance(value, Mapping):
        return value
    problems, limits = [], {}
    for name, limit in value.items():
        if name not in scores:
            problems.append(f"{name!r} is not one of {', '.join(scores)}")
        found = _limit(limit)
        if found is None:
            problems.append(f"{name} must be a number, or a part of the teacher's such as 10%, got {limit!r}")
        else:
            limits[name] = found
    if not value:
        problems.append("needs at least one score, such as {fid: 10%}")
    if problems:
        raise ValueError("; ".join(problems))
    return limits


def pick_text(pick: Pick) -> str:
    """Return a pick as it is written on a command line.

    >>> pick_text({"fid": "10%", "psnr": 29.5})
    'fid:10%,psnr:29.5'
    """
    if isinstance(pick, str):
        return pick
    return ",".join(f"{name}:{limit if isinstance(limit, str) else f'{limit:g}'}" for name, limit in pick.items())


def parse_costs(text: str, *, costs: Collection[str]) -> dict[str, float]:
    """Return limits on costs: ``macs:17.2M,storage_bytes:50k``; k, M and G are powers of a thousand. Raises ValueError with every problem.

    >>> parse_costs("macs:17.2M, storage_bytes:50k", costs=("macs", "storage_bytes"))
    {'macs': 17200000.0, 'storage_bytes': 50000.0}
    """
    problems, limits = [], {}
    for part in text.split(","):
        name, _, limit = (piece.strip() for piece in part.partition(":"))
        found = COUNT.match(limit)
        if name not in costs:
            problems.append(f"{name!r} is not one of {', '.join(costs)}")
        elif found is None:
            problems.append(f"{name} must be a positive number, such as 17.2M, got {limit!r}")
        else:
            limits[name] = float(found[1]) * SCALES[found[2]]
    if problems:
        raise ValueError("; ".join(problems))
    return limits


def share_of(limit: float | str) -> float | None:
    """Return 0.1 for ``10%``, None for an absolute limit."""
    found = PERCENT.match(limit) if isinstance(limit, str) else None
    return None if found is None else float(found[1]) / 100


def _limit(value: Any) -> float | str | None:
    if isinstance(value, str) and PERCENT.match(value):
        return value.replace(" ", "")
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
