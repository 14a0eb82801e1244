"""What each score and cost is called, its unit, and which direction is better: a score's metric says so, costs are listed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autogc.metrics.catalogue import METRICS

PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Quantity:
    """A column of the results: ``unit`` is empty for a bare count, and only ``prefixed`` ones are shown in k, M, G.

    ``digits`` is how many decimals are shown, as many as suit the value where it is None; ``role`` which network gives a score, whose label
    belongs beside it.
    """

    name: str
    title: str
    unit: str = ""
    higher_is_better: bool = False
    prefixed: bool = False
    is_score: bool = False
    digits: int | None = None
    role: str | None = None


QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        *(
            Quantity(
                metric.name,
                metric.title,
                unit=metric.unit,
                higher_is_better=metric.higher_is_better,
                is_score=True,
                digits=metric.digits,
                role=metric.role(),
            )
            for metric in METRICS.values()
        ),
        Quantity("macs", "MACs", prefixed=True),
        Quantity("macs_published", "MACs, published convention", prefixed=True),
        Quantity("bops", "Bit operations", prefixed=True),
        Quantity("params", "Parameters", prefixed=True),
        Quantity("storage_bytes", "Stored size", unit="B", prefixed=True),
        Quantity("peak_activation_bytes", "Peak activation memory", unit="B", prefixed=True),
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
    said = [unit] if unit else []
    if quantity.is_score:
        said.append(f"{'higher' if quantity.higher_is_better else 'lower'} is better")
    return quantity.title + (f" ({', '.join(said)})" if said else "")


def judge_of(name: str, provenance: Mapping[str, Any]) -> str:
    """Return ``FID: feature network LABEL``, or ``PSNR: PROTOCOL`` without a network, where the provenance says it, else nothing."""
    role = QUANTITIES[name].role
    label = provenance.get(role) if role is not None else None
    parts = [f"{role.replace('_', ' ')} {label}"] if role is not None and label else []
    protocol = (provenance.get("protocols") or {}).get(name)
    parts += [protocol] if protocol else []
    return f"{QUANTITIES[name].title}: {', '.join(parts)}" if parts else ""


def shown(name: str, value: float | None) -> str:
    """Return a value as a reader wants it: ``5.68 G``, ``812 kB``, ``30.1 ms``, ``45.61``; a dash where there is none."""
    if value is None:
        return "-"
    divisor, unit = scale_of(name, [value])
    scaled = value / divisor
    if QUANTITIES[name].digits is not None:
        return f"{scaled:.{QUANTITIES[name].digits}f} {unit}".rstrip()
    if divisor == 1.0 and QUANTITIES[name].prefixed:
        return f"{scaled:.0f} {unit}".rstrip()
    digits = 3 if abs(scaled) < 10 and divisor > 1 else 2 if abs(scaled) < 100 else 1
    return f"{scaled:.{digits}f} {unit}".rstrip()
