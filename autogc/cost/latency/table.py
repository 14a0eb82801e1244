"""Measured layers of one device, in a file that other spaces and runs on the device go on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from autogc.config.experiment import LatencyConfig
from autogc.cost.latency.backends import backend_of
from autogc.cost.latency.calls import HOLE, key_of, work_of
from autogc.cost.latency.devices import device_name, latency_device
from autogc.errors import ConfigError
from autogc.files import read_json, write_json

FORMAT = 1
# A call that many candidates make is measured in as many of them at most.
SAMPLES = 5
# A call that was not measured is taken from this many measured ones of the same kind, the nearest in size.
NEIGHBOURS = 4


@dataclass(frozen=True)
class Setting:
    """Where and how latency is taken: what two measurements must share to be compared."""

    device: str
    backend: str
    threads: int
    versions: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def here(cls, config: LatencyConfig) -> Setting:
        """Return the setting that ``config`` means on this machine. Raises ConfigError for a device or backend that is not there."""
        device = latency_device(config.device)
        backend = backend_of(config.backend, device)
        return cls(device_name(device), config.backend, config.threads or torch.get_num_threads(), backend.versions)

    def __str__(self) -> str:
        return f"{self.device}, {self.threads} threads, {self.backend}"


@dataclass
class SpaceRecord:
    """What was measured of one space's subnets end to end, milliseconds by row of value indices (``0,2,1``), one of each pass, and what
    came of it.

    ``learned`` are those that the predictor is fitted to, ``held_out`` those that it is judged by. ``fit`` is the judgement
    (``predictor.Fit``), None until there is one. ``busy`` is the share of the machine that others used, the most of any measurement.
    """

    learned: dict[str, list[float]] = field(default_factory=dict)
    held_out: dict[str, list[float]] = field(default_factory=dict)
    busy: float = 0.0
    fit: dict[str, Any] | None = None


@dataclass
class LatencyTable:
    """Milliseconds of operator calls (``calls.key_of``, of PyTorch as it is), several measurements each, and of whole subnets by space."""

    setting: Setting
    templates: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # template -> numbers as text -> milliseconds
    kinds: dict[str, str] = field(default_factory=dict)  # template -> kind
    spaces: dict[str, SpaceRecord] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | Path) -> LatencyTable:
        """Read a table. Raises ConfigError, naming the file, where it is none."""
        path = Path(path)
        if not path.is_file():
            raise ConfigError(f"there is no latency table {path}: make it with autogc profile SPACE.yaml --build-latency-table {path}")
        try:
            data = read_json(path)
            if data["format"] != FORMAT:
                raise ConfigError(
                    f"{path} is a latency table of format {data['format']}, this autogc reads format {FORMAT}: build it again"
                )
            spaces = {name: SpaceRecord(**record) for name, record in data["spaces"].items()}
            return cls(Setting(**data["setting"]), data["templates"], data["kinds"], spaces)
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(f"{path} is no latency table ({type(error).__name__}: {error}): build another") from None

    def write(self, path: str | Path) -> None:
        """Write the table as JSON, whole or not at all."""
        spaces = {name: asdict(record) for name, record in self.spaces.items()}
        setting = {**asdict(self.setting), "versions": dict(self.setting.versions)}
        write_json(path, {"format": FORMAT, "setting": setting, "kinds": self.kinds, "templates": self.templates, "spaces": spaces})

    def check(self, setting: Setting, path: str | Path) -> None:
        """Raise ConfigError where the table was measured on another device, backend or number of threads."""
        if self.setting != setting:
            raise ConfigError(
                f"latency table {path} was measured on {self.setting}; here it is {setting}: "
                f"build one with autogc profile SPACE.yaml --build-latency-table, or leave scores.latency.table out"
            )

    def add(self, template: str, numbers: tuple[int, ...], kind: str, milliseconds: float) -> None:
        """Keep one measurement of a call."""
        self.kinds[template] = kind
        samples = self.templates.setdefault(template, {}).setdefault(_text(numbers), [])
        if len(samples) < SAMPLES:
            samples.append(round(milliseconds, 6))

    def has(self, template: str, numbers: tuple[int, ...]) -> bool:
        """Return whether a call was measured."""
        return _text(numbers) in self.templates.get(template, ())

    @property
    def calls(self) -> int:
        """How many different calls were measured."""
        return sum(len(measured) for measured in self.templates.values())


class LayerTimes:
    """Milliseconds of any call: measured, or worked out from the nearest measured ones of the same operator and arguments."""

    def __init__(self, table: LatencyTable) -> None:
        self._table = table
        self._known: dict[tuple[str, tuple[int, ...]], float] = {}

    @cached_property
    def _points(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """For each template the logarithms of the numbers (P, K), and of milliseconds a unit of work (P,)."""
        found = {}
        for template, measured in self._table.templates.items():
            numbers = [_numbers(text) for text in measured]
            work = [work_of(template, one, self._table.kinds[template]) for one in numbers]
            rates = np.array([median(samples) for samples in measured.values()]) / np.array(work)
            logs = np.log(np.array(numbers, dtype=np.float64).reshape(len(numbers), _holes(template)).clip(min=1))
            found[template] = (logs, np.log(rates.clip(min=1e-15)))
        return found

    def of(self, template: str, numbers: tuple[int, ...], kind: str) -> float:
        """Return the milliseconds of a call. Raises ConfigError where no call of the operator was measured."""
        key = (template, numbers)
        if key not in self._known:
            self._known[key] = self._work_out(template, numbers, kind)
        return self._known[key]

    def _work_out(self, template: str, numbers: tuple[int, ...], kind: str) -> float:
        measured = self._table.templates.get(template)
        if not measured:
            raise ConfigError(
                f"the latency table has no {key_of(template, numbers)}: complete it with autogc profile --build-latency-table"
            )
        samples = measured.get(_text(numbers))
        if samples:
            return float(median(samples))
        logs, rates = self._points[template]
        distances = np.abs(logs - np.log(np.array(numbers, dtype=np.float64).clip(min=1))).sum(axis=1)
        near = np.argsort(distances, kind="stable")[:NEIGHBOURS]
        weights = 1 / (distances[near] + 1e-3) ** 2
        return float(np.exp(np.average(rates[near], weights=weights)) * work_of(template, numbers, kind))


def _holes(template: str) -> int:
    return len(HOLE.findall(template))


def _text(numbers: tuple[int, ...]) -> str:
    return ",".join(map(str, numbers))


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in text.split(",")) if text else ()
