"""The predictor, on a device whose times are a formula: every measured layer exact, so every prediction has to be."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from autogc.config.experiment import LatencyConfig, SpaceConfig
from autogc.cost import TimedCostModel
from autogc.cost.latency import LatencyTable, build, build_latency_table, predictor_from
from autogc.cost.latency.affine import fitted
from autogc.cost.latency.calls import Call, key_of, recorded, timed_calls, work_of
from autogc.cost.latency.meter import DeviceMeter, Measured
from autogc.cost.latency.predictor import judged, repeatability
from autogc.cost.latency.program import Program, kept_channels, program_of, running
from autogc.errors import ConfigError, ConversionError
from autogc.models import GENERATORS
from autogc.supernet import Space, Supernet

CONFIG = LatencyConfig(threads=1, patience_s=0)
DIMENSIONS: dict[str, Any] = {
    "width": {"choices": {"*": (0.5, 0.75, 1.0)}, "tie": (("blocks.*",),)},
    "operator": {"choices": {"blocks": ("dense", "separable")}},
    "weight_bits": {"choices": {"*": (32, 8)}},
    "activation_bits": {"choices": {"tail": (32, 8)}},
}
STAGES = {"stem": ("stem.*", "down*"), "blocks": ("blocks.*",), "tail": ("*",)}


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    """Fewer candidates, and each space traced once: tracing is what takes time here."""
    programs: dict[tuple[int, int], Program] = {}

    def once(supernet: Supernet, space: Space) -> Program:
        key = (id(supernet), len(space.decisions[0].values))
        if key not in programs:
            programs[key] = program_of(supernet, space)
        return programs[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "program_of", once)
        for name, value in {"MOST": 20, "LEARNED": {"eager": 10}, "HELD_OUT": {"eager": 8}, "PASSES": {"eager": 2}}.items():
            patch.setattr(build, name, value)
        yield


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    torch.manual_seed(0)
    generator = GENERATORS.build("resnet", {"base_channels": 32, "blocks": 1}, in_channels=4, out_channels=3)
    return Supernet.convert(generator, torch.zeros(1, 4, 16, 24), decompose=("blocks.*",), verify=False)


@pytest.fixture(scope="module")
def space(supernet: Supernet) -> Space:
    return Space.build(SpaceConfig.model_validate({"stages": STAGES, "dimensions": DIMENSIONS}), supernet)


class Formula:
    """A device on which a call takes 1 microsecond, and a nanosecond for each unit of its work; the network a hundredth more than they."""

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet
        self.layered, self.timed = 0, 0
        self.stop_after: int | None = None

    def measure(self, module: nn.Module, *, layers: bool, whole: bool) -> Measured:
        if self.stop_after is not None and self.layered + self.timed >= self.stop_after:
            raise KeyboardInterrupt
        times = [self.of(call) for call in recorded(module, self.supernet.example_shape, self.supernet.layers)]
        self.layered += layers
        self.timed += whole and not layers
        return Measured(times if layers else [], 1.01 * sum(times) + 0.05 if whole else None, 0.02)

    @staticmethod
    def of(call: Call) -> float:
        return 1e-3 + 1e-6 * work_of(call.template, call.numbers, call.kind)


@pytest.fixture(scope="module")
def built(supernet: Supernet, space: Space, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Formula, Any]:
    path, meter = tmp_path_factory.mktemp("table") / "table.json", Formula(supernet)
    return path, meter, build_latency_table(supernet, space, CONFIG, path=path, meter=meter)


def true_latency(supernet: Supernet, space: Space, genotype: Any) -> float:
    module = supernet.extract(running(space.candidate(genotype)))
    return 1.01 * sum(Formula.of(call) for call in recorded(module, supernet.example_shape, supernet.layers)) + 0.05


def test_a_build_that_another_seed_goes_on_with_is_judged_by_its_own_candidates(
    built: Any, supernet: Supernet, space: Space, tmp_path: Path
) -> None:
    path, meter = tmp_path / "table.json", Formula(supernet)
    meter.stop_after = built[1].layered + built[1].timed - 3
    with pytest.raises(KeyboardInterrupt):
        build_latency_table(supernet, space, CONFIG, path=path, meter=meter)
    meter.stop_after = None
    predictor = build_latency_table(supernet, space, CONFIG, path=path, meter=meter, seed=1)
    (record,) = LatencyTable.read(path).spaces.values()
    assert predictor.fit.held_out == len(record.held_out) and not set(record.held_out) & set(record.learned)
    assert {len(passes) for passes in record.held_out.values()} == {2}


def test_predictions_are_what_the_device_takes(built: Any, supernet: Supernet, space: Space) -> None:
    _, _, predictor = built
    draw = random.Random(1)
    genotypes = [space.largest(), space.smallest(), *(space.sample(draw) for _ in range(6))]
    rows = np.array([space.indices(genotype) for genotype in genotypes])
    expected = [true_latency(supernet, space, genotype) for genotype in genotypes]
    assert predictor.predict(rows) == pytest.approx(expected, rel=0.02)
    assert [predictor.of(supernet, space.candidate(genotype)) for genotype in genotypes] == pytest.approx(list(predictor.predict(rows)))


def test_its_error_is_measured_on_candidates_that_it_has_not_seen(built: Any) -> None:
    path, _, predictor = built
    fit = predictor.fit
    assert fit.tau > 0.98 and fit.median_error < 0.01 and fit.busy == 0.02
    assert fit.held_out == build.HELD_OUT["eager"] and fit.learned >= build.LEARNED["eager"]
    record = next(iter(json.loads(path.read_text())["spaces"].values()))
    assert not set(record["learned"]) & set(record["held_out"])
    assert all(len(passes) == build.PASSES["eager"] for passes in record["held_out"].values())
    assert f"Kendall's tau {fit.tau:.3f}, median error {fit.median_error:.1%}" in str(predictor)
    assert predictor.provenance() | {"tau": 1, "median_error": 0} == {
        "predicted": True,
        "device": predictor.setting.device,
        "backend": "eager",
        "threads": 1,
        "versions": {"torch": torch.__version__},
        "tau": 1,
        "median_error": 0,
        "held_out": fit.held_out,
    }


def test_a_table_that_is_whole_is_not_measured_again(built: Any, supernet: Supernet, space: Space) -> None:
    path, _, predictor = built
    idle = Formula(supernet)
    again = build_latency_table(supernet, space, CONFIG, path=path, meter=idle)
    assert (idle.layered, idle.timed) == (0, 0) and again.fit == predictor.fit
    found = predictor_from(path, supernet, space, CONFIG)
    assert found is not None and found.fit == predictor.fit


def test_another_space_on_the_device_measures_only_what_is_missing(built: Any, supernet: Supernet, tmp_path: Path) -> None:
    path, meter, _ = built
    narrower = {"width": {"choices": {"*": (0.5, 1.0)}, "tie": (("blocks.*",),)}}
    other = Space.build(SpaceConfig.model_validate({"stages": STAGES, "dimensions": narrower}), supernet)
    assert predictor_from(path, supernet, other, CONFIG) is None
    copied, idle = tmp_path / "table.json", Formula(supernet)
    copied.write_text(path.read_text())
    predictor = build_latency_table(supernet, other, CONFIG, path=copied, meter=idle)
    assert meter.layered > 0 and idle.layered == 0 and idle.timed > 0 and predictor.fit.tau > 0.98
    assert len(LatencyTable.read(copied).spaces) == 2


def test_a_build_that_was_killed_goes_on(built: Any, supernet: Supernet, space: Space, tmp_path: Path) -> None:
    _, whole, _ = built
    path, first = tmp_path / "table.json", Formula(supernet)
    first.stop_after = 5
    with pytest.raises(KeyboardInterrupt):
        build_latency_table(supernet, space, CONFIG, path=path, meter=first)
    assert len(next(iter(LatencyTable.read(path).spaces.values())).learned) == 5
    second = Formula(supernet)
    predictor = build_latency_table(supernet, space, CONFIG, path=path, meter=second)
    assert predictor.fit.tau > 0.98
    assert abs(first.layered + second.layered - whole.layered) <= 3


def test_tables_of_elsewhere_are_refused(built: Any, supernet: Supernet, space: Space, tmp_path: Path) -> None:
    path, _, _ = built
    with pytest.raises(ConfigError, match=r"was measured on .*, 1 threads, eager; here it is .*, 2 threads, eager: build one"):
        predictor_from(path, supernet, space, CONFIG.model_copy(update={"threads": 2}))
    with pytest.raises(ConfigError, match=r"1 threads, eager; here it is .* onnxruntime"):
        predictor_from(path, supernet, space, CONFIG.model_copy(update={"backend": "onnxruntime"}))
    table = LatencyTable.read(path)
    elsewhere = tmp_path / "elsewhere.json"
    LatencyTable(replace(table.setting, device="Abacus")).write(elsewhere)
    with pytest.raises(ConfigError, match="was measured on Abacus, 1 threads"):
        build_latency_table(supernet, space, CONFIG, path=elsewhere)
    for text, said in (("{", "is no latency table"), ('{"format": 9}', "format 9"), ("[]", "is no latency table")):
        elsewhere.write_text(text)
        with pytest.raises(ConfigError, match=said):
            LatencyTable.read(elsewhere)
    with pytest.raises(ConfigError, match=r"there is no latency table .*missing.json: make it with autogc profile"):
        LatencyTable.read(tmp_path / "missing.json")


def test_costs_know_latency(built: Any, supernet: Supernet, space: Space) -> None:
    _, _, predictor = built
    costs = TimedCostModel(supernet, space, predictor)
    rows = costs.draw(2000, 0)
    times = costs.costs_of(rows)["latency_ms"]
    assert times.dtype == np.float64 and (times == predictor.predict(rows)).all()
    limit = float(np.median(times))
    assert (costs.feasible(rows, {"latency_ms": limit}) == (times <= limit)).all()
    sizes = [len(decision.values) for decision in space.decisions]
    everything = np.stack(np.unravel_index(np.arange(space.size), sizes), axis=1)
    assert costs.least("latency_ms") == pytest.approx(float(predictor.predict(everything).min()), abs=1e-6)
    assert predictor.predict(space.indices(costs.least_genotype("latency_ms"))[None])[0] == costs.least("latency_ms")
    assert costs.least("macs") > 0


def test_a_width_between_the_measured_ones_is_interpolated(built: Any, supernet: Supernet, space: Space) -> None:
    _, _, predictor = built
    between = space.candidate(space.largest())
    group = supernet.discovery.groups[0]
    narrower = type(between)({**between.choices, "width": {group.name: group.size - 3}})
    module = supernet.extract(narrower)
    expected = 1.01 * sum(Formula.of(call) for call in recorded(module, supernet.example_shape, supernet.layers)) + 0.05
    assert predictor.of(supernet, narrower) == pytest.approx(expected, rel=0.05)


def test_the_program_is_the_trace(supernet: Supernet, space: Space) -> None:
    program = program_of(supernet, space)
    draw = random.Random(7)
    for _ in range(3):
        candidate = running(space.candidate(space.sample(draw)))
        said = program.made_by(candidate, kept_channels(supernet, candidate))
        made = recorded(supernet.extract(candidate), supernet.example_shape, supernet.layers)
        assert sorted(key_of(one.template, one.numbers) for one in said) == sorted(key_of(one.template, one.numbers) for one in made)
    assert program.identity == program_of(supernet, space).identity


def test_calls_are_timed_where_they_are() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.InstanceNorm2d(8))
    calls = recorded(network, (1, 3, 8, 8), ("0", "2"))
    assert [call.kind for call in calls] == ["convolution", "other", "depthwise", "norm"]
    assert [call.owner for call in calls] == ["0", "1", "2", "3"]
    assert work_of(calls[0].template, calls[0].numbers, calls[0].kind) == 8 * 8 * 8 * 3 * 9
    ticks = iter(range(0, 10**9, 250_000))
    with torch.inference_mode():
        image = torch.zeros(1, 3, 8, 8)
        milliseconds = timed_calls(lambda: network(image), torch.device("cpu"), lambda: next(ticks))
    assert milliseconds == [0.25] * 4


def test_integers_that_follow_channels_are_found_exactly() -> None:
    kept = np.random.default_rng(0).integers(1, 64, size=(6, 5))
    names = list("abcde")
    found = fitted([int(value) for value in 7 + 2 * kept[:, 1] + kept[:, 3]], kept, names)
    assert found is not None and (found.fixed, found.parts) == (7, (("b", 2), ("d", 1)))
    assert fitted([int(value) for value in kept[:, 0] * kept[:, 1]], kept, names) is None


class Fickle(nn.Module):
    """Does something else where it is narrow."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        return self.last(y.relu() if y.shape[1] > 24 else y.relu().relu())


def test_a_network_that_changes_what_it_does_is_refused() -> None:
    supernet = Supernet.convert(Fickle(), torch.zeros(1, 3, 8, 8), verify=False)
    space = Space.build(
        SpaceConfig.model_validate({"stages": {"all": ("*",)}, "dimensions": {"width": {"choices": {"*": (0.5, 1.0)}}}}), supernet
    )
    with pytest.raises(
        ConversionError, match="latency can't be predicted: this generator's subnets of other widths don't run the same operators"
    ):
        program_of(supernet, space)


def test_error_and_rank_by_hand() -> None:
    # Of six pairs one is the wrong way round: (5 - 1) / 6.
    tau, error = judged(np.array([1.0, 2.2, 2.0, 5.0]), np.array([1.0, 2.0, 2.5, 4.0]))
    assert tau == pytest.approx(4 / 6) and error == pytest.approx((0.1 + 0.2) / 2)
    assert repeatability(np.array([[1.0, 1.0], [2.2, 2.0], [2.0, 2.5], [5.0, 4.0]])) == pytest.approx(4 / 6)
    assert repeatability(np.ones((4, 1))) is None


def test_the_device_itself(supernet: Supernet, space: Space) -> None:
    """Real times: only what can't fail on a busy machine."""
    module = supernet.extract(running(space.candidate(space.smallest())))
    measured = DeviceMeter(CONFIG, supernet.example_shape).measure(module, layers=True, whole=True)
    assert len(measured.calls) == len(recorded(module, supernet.example_shape, supernet.layers))
    assert measured.whole is not None and measured.whole > 0 and min(measured.calls) > 0
