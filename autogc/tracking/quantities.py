"""What each score and cost is called, its unit, and which direction is better: one row a quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Quantity:
    """A column of the results: ``unit`` is empty for a bare count, and only ``prefixed`` ones are shown in k, M, G."""

    name: str
    title: str
    unit: str = ""
    higher_is_better: bool = False
    prefixed: bool = False
    judged: bool = False  # given by a network, whose label belongs beside it


QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity("fid", "FID", judged=True),
        Quantity("miou", "mIoU", higher_is_better=True, judged=True),
        Quantity("macs", "MACs", prefixed=True),
        Quantity("macs_published", "MACs, published convention", prefixed=True),
        Quantity("params", "Parameters", prefixed=True),
        Quantity("storage_bytes", "Stored size", unit="B", prefixed=True),
        Quantity("latency_ms", "Latency", unit="ms"),
    )
}


def scale_of(name: str, values: Sequence[float]) -> tuple[float, str]:
    """Return the divisor and the unit with its prefix that suit the largest of ``values``: ``(1e9, "G")`` for MACs of 5.7e9."""
    quantity = QUANTITIES[name]
    largest = max((abs(value) for value in values), default=0.0)
    if quantity.prefixed:
        for divisor, prefix in PREFIXES:
            if largest >= divisor:
                return divisor, prefix + quantity.unit
    return 1.0, quantity.unit


def axis_title(name: str, values: Sequence[float]) -> str:
    """Return a title such as ``MACs (G)`` or ``FID (lower is better)``."""
    quantity = QUANTITIES[name]
    _, unit = scale_of(name, values)
    title = quantity.title + (f" ({unit})" if unit else "")
    if not quantity.judged:
        return title
    direction = "higher" if quantity.higher_is_better else "lower"
    return f"{title} ({direction} is better)"


def judge_of(name: str, provenance: Mapping[str, Any]) -> str:
    """Return ``FID: feature network LABEL`` or ``mIoU: segmenter LABEL`` where the provenance of a score says it, else nothing."""
    if not QUANTITIES[name].judged:
        return ""
    role = "segmenter" if name == "miou" else "feature_network"
    label = provenance.get(role)
    if isinstance(label, Mapping):
        label = label.get("label")
    return f"{QUANTITIES[name].title}: {role.replace('_', ' ')} {label}" if label else ""


def shown(name: str, value: float | None) -> str:
    """Return a value as a reader wants it: ``5.68 G``, ``812 kB``, ``30.1 ms``, ``45.61``; a dash where there is none."""
    if value is None:
        return "-"
    divisor, unit = scale_of(name, [value])
    scaled = value / divisor
    if name == "miou":
        return f"{scaled:.3f}"
    if divisor == 1.0 and QUANTITIES[name].prefixed:
        return f"{scaled:.0f} {unit}".rstrip()
    digits = 3 if abs(scaled) < 10 and divisor > 1 else 2 if abs(scaled) < 100 else 1
    return f"{scaled:.{digits}f} {unit}".rstrip()
