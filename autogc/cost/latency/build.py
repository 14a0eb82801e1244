"""Building a latency predictor: layers timed where they are, in candidates that have them all; then its error on candidates of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from autogc.config.experiment import LatencyConfig
from autogc.cost.latency.calls import recorded
from autogc.cost.latency.features import FEATURES, Owners
from autogc.cost.latency.meter import DeviceMeter, Meter
from autogc.cost.latency.plan import Coverage
from autogc.cost.latency.predictor import Fit, LatencyPredictor, fitted_weights, judged, repeatability
from autogc.cost.latency.program import program_of, running
from autogc.cost.latency.table import LatencyTable, LayerTimes, Setting, SpaceRecord
from autogc.errors import ConversionError
from autogc.files import sha256_json
from autogc.progress import Progress, Silent
from autogc.supernet.space import Space
from autogc.supernet.supernet import Supernet

# Candidates that are measured: the most to run layers in, the fewest to fit to, those to be judged by. A compilation or an export for
# each takes seconds, so other backends than PyTorch as it is get fewer end to end.
MOST = 64
LEARNED = {"eager": 24}
HELD_OUT = {"eager": 32}
ELSEWHERE = {"learned": 20, "held_out": 12}
# How often each is measured end to end, all of them in turn: what is slow for a while then spoils one pass and not one candidate. The least
# of the passes counts, since the work of others only ever adds.
PASSES = {"eager": 3}
# On a machine that is not quiet there are more passes, until every other one ranks the held-out candidates as those between do.
MOST_PASSES = {"eager": 8}
SETTLED = 0.9


def build_latency_table(
    supernet: Supernet,
    space: Space,
    config: LatencyConfig,
    *,
    path: str | Path,
    start: LatencyTable | None = None,
    meter: Meter | None = None,
    progress: Progress | None = None,
    seed: int = 0,
) -> LatencyPredictor:
    """Measure what is missing of the space's layers, fit, measure the error, and return the predictor; all of it is kept in ``path``.

    The file is written after each candidate, so a build that was cut off goes on where it was; one of another space on the same device is
    added to. ``start`` is a table to begin with where there is no file yet. Where everything is there, nothing is measured. ``config`` says
    the device, the backend and the threads. Weights don't matter, so an untrained supernet does.

    Raises ConfigError for a table of another device, backend or thread count, ConversionError for a generator whose subnets can't be
    followed.
    """
    progress = progress or Silent()
    setting = Setting.here(config)
    table = LatencyTable.read(path) if Path(path).is_file() else start or LatencyTable(setting)
    table.check(setting, path)
    owners = Owners(program_of(supernet, space), space, supernet.discovery.groups)
    record = table.spaces.setdefault(identity_of(owners, space), SpaceRecord())
    if record.fit is None:
        builder = _Builder(supernet, space, owners, table=table, record=record, path=Path(path), progress=progress)
        builder.measure(meter or DeviceMeter(config, supernet.example_shape), backend=config.backend, seed=seed)
        record.fit = _fit(owners, table, record, backend=config.backend).to_json()
        table.write(path)
    predictor = LatencyPredictor(owners, LayerTimes(table), Fit(**record.fit), setting=setting)
    progress.note(f"latency: {predictor}")
    return predictor


def predictor_from(path: str | Path, supernet: Supernet, space: Space, config: LatencyConfig) -> LatencyPredictor | None:
    """Return the predictor that a file holds of this space, or None where it was built for others only. Measures nothing.

    Raises ConfigError where the file is no table, or one of another device, backend or thread count.
    """
    table = LatencyTable.read(path)
    setting = Setting.here(config)
    table.check(setting, path)
    owners = Owners(program_of(supernet, space), space, supernet.discovery.groups)
    record = table.spaces.get(identity_of(owners, space))
    if record is None or record.fit is None:
        return None
    return LatencyPredictor(owners, LayerTimes(table), Fit(**record.fit), setting=setting)


def identity_of(owners: Owners, space: Space) -> str:
    """Return what a space's measurements go by: its networks and its decisions."""
    return sha256_json([owners.program.identity, [[decision.name, list(decision.values)] for decision in space.decisions]])


def _fit(owners: Owners, table: LatencyTable, record: SpaceRecord, *, backend: str) -> Fit:
    times = LayerTimes(table)
    features, milliseconds = {}, {}
    for name, measured in (("learned", record.learned), ("held_out", record.held_out)):
        rows = np.array([_row(text) for text in measured]).T
        features[name] = sum(owners.features(owner, rows, times) for owner in owners.names)
        milliseconds[name] = np.array([min(passes) for passes in measured.values()])
    weights, constant = fitted_weights(np.asarray(features["learned"]), milliseconds["learned"], backend=backend)
    tau, error = judged(features["held_out"] @ weights + constant, milliseconds["held_out"])
    return Fit(
        weights={name: float(weight) for name, weight in zip(FEATURES, weights, strict=True)},
        constant_ms=constant,
        tau=tau,
        median_error=error,
        learned=len(record.learned),
        held_out=len(record.held_out),
        busy=record.busy,
        calls=table.calls,
        repeated_tau=repeatability(np.array(list(record.held_out.values()))),
    )


class _Builder:
    def __init__(
        self, supernet: Supernet, space: Space, owners: Owners, *, table: LatencyTable, record: SpaceRecord, path: Path, progress: Progress
    ) -> None:
        self._supernet, self._space, self._owners = supernet, space, owners
        self._table, self._record, self._path, self._progress = table, record, path, progress

    def measure(self, meter: Meter, *, backend: str, seed: int) -> None:
        """Measure until every call is measured (or ``MOST`` candidates are), there is enough to fit to, and the held-out ones are done."""
        held_out = self._draw(HELD_OUT.get(backend, ELSEWHERE["held_out"]), seed)
        enough = LEARNED.get(backend, ELSEWHERE["learned"])
        reserved = {tuple(map(int, row)) for row in held_out}
        # A build that another seed began held others out: nothing is fitted to what it is judged by, nor judged by what is half measured.
        judges = {_text(row) for row in held_out}
        self._record.learned = {text: passes for text, passes in self._record.learned.items() if text not in judges}
        self._record.held_out = {text: passes for text, passes in self._record.held_out.items() if text in judges}
        coverage = Coverage(self._owners, self._table)
        started = len(self._record.learned)
        self._progress.start("latency: measuring layers", total=max(MOST, enough) + len(held_out), done=started)
        ran = 0
        while True:
            generator = np.random.default_rng([seed, len(self._record.learned), ran])
            taken = reserved | {tuple(map(int, _row(text))) for text in self._record.learned}
            row = coverage.next(generator, taken) if coverage.missing.any() and started + ran < MOST else None
            layers = row is not None
            if row is None and len(self._record.learned) < enough:
                row = self._free(generator, taken)
            if row is None:
                break
            self._one(meter, row, self._record.learned, layers=layers, whole=len(self._record.learned) < enough or backend == "eager")
            coverage.measured(row)
            ran += 1
            self._progress.update(started + ran)
        first = list(self._record.learned)
        least = PASSES.get(backend, 1)
        for passed in range(max(least, MOST_PASSES.get(backend, 1))):
            if passed >= least and self._settled(passed):
                break
            for kept, rows in ((self._record.learned, [np.array(_row(text)) for text in first]), (self._record.held_out, held_out)):
                for place, row in enumerate(rows):
                    if len(kept.get(_text(row), ())) <= passed:
                        self._one(meter, row, kept, layers=False, whole=True)
                    if kept is self._record.held_out and passed == 0:
                        self._progress.update(max(MOST, enough) + place + 1)

    def _settled(self, passes: int) -> bool:
        times = np.array([one[:passes] for one in self._record.held_out.values()])
        return passes < 2 or judged(times[:, ::2].min(1), times[:, 1::2].min(1))[0] >= SETTLED

    def _one(self, meter: Meter, row: np.ndarray, kept: dict[str, list[float]], *, layers: bool, whole: bool) -> None:
        module = self._supernet.extract(running(self._space.candidate(self._space.genotype(row))))
        measured = meter.measure(module, layers=layers, whole=whole)
        if layers:
            calls = recorded(module, self._supernet.example_shape, self._supernet.layers)
            if len(calls) != len(measured.calls):
                raise ConversionError("latency can't be predicted: this generator runs other operators on this device than on shapes alone")
            for call, milliseconds in zip(calls, measured.calls, strict=True):
                self._table.add(call.template, call.numbers, call.kind, milliseconds)
        if measured.whole is not None:
            kept.setdefault(_text(row), []).append(measured.whole)
        self._record.busy = max(self._record.busy, measured.busy or 0.0)
        self._table.write(self._path)

    def _draw(self, count: int, seed: int) -> np.ndarray:
        """Return the held-out rows: different ones, a third of a small space at most."""
        sizes, generator = self._owners.controls.sizes, np.random.default_rng([seed, 1])
        if self._space.size <= 3 * count:
            places = generator.permutation(self._space.size)[: max(2, self._space.size // 3)]
            return np.stack(np.unravel_index(places, sizes), axis=1)
        return np.unique(generator.integers(0, sizes, size=(count, len(sizes))), axis=0)

    def _free(self, generator: np.random.Generator, taken: set[tuple[int, ...]]) -> np.ndarray | None:
        """Return a random row that is not taken; None where there is none, or none is found."""
        for row in generator.integers(0, self._owners.controls.sizes, size=(256, len(self._owners.controls.sizes))):
            if tuple(map(int, row)) not in taken:
                return np.asarray(row)
        return None


def _text(row: np.ndarray) -> str:
    return ",".join(str(int(index)) for index in row)


def _row(text: str) -> list[int]:
    return [int(index) for index in text.split(",")]
