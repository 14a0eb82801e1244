"""What conversion promises, of every registered generator and of six that are written as users write them."""

from __future__ import annotations

import copy
import random
import warnings
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from elastic_rows import REGISTERED, ROWS, USERS, WRITTEN, Row
from torch import Tensor, nn

from autogc.config.experiment import DimensionConfig, SpaceConfig
from autogc.cost import CostModel, fvcore_macs, measure_peak, prove, recount
from autogc.cost.peak import record
from autogc.errors import ConversionError
from autogc.export import packed_file_size, values_by_tensor, verify_package, write_package
from autogc.models import GENERATORS, build_completed
from autogc.supernet import Candidate, Space, Supernet
from autogc.supernet.automatic import automatic_dimensions

TOLERANCE = 1e-5
# Beside the usual dimensions, the ones that are not searched unless they are asked for.
OTHERS = {"filter_pruning": (0, 0.25), "codebook": ("none", 16), "activation_bits": (32, 8)}

each = pytest.mark.parametrize("name", sorted(ROWS))


@dataclass(frozen=True)
class Converted:
    row: Row
    generator: nn.Module
    supernet: Supernet
    space: Space
    costs: CostModel
    candidates: tuple[Candidate, ...]
    calibration: tuple[Tensor, ...]

    def statistics(self, candidate: Candidate) -> dict[str, Tensor]:
        return self.supernet.calibrate(candidate, self.calibration)


@cache
def converted(name: str) -> Converted:
    """A generator that has been in use (statistics, estimates of singular values), its supernet, and a space with every dimension."""
    row = ROWS[name]
    torch.manual_seed(0)
    generator = build_completed(row.generator)
    for seed in (1, 2):
        generator(row.inputs(3, seed=seed))
    supernet = Supernet.convert(generator, row.inputs(1), decompose=row.decompose)
    dimensions = automatic_dimensions(supernet) | {name: DimensionConfig(choices={"*": values}) for name, values in OTHERS.items()}
    if "width" in dimensions:
        dimensions["width"] = DimensionConfig(choices={"*": (1.0, 0.5)})
    space = Space.build(SpaceConfig(dimensions=dimensions), supernet)
    rng = random.Random(0)
    genotypes = [space.largest(), space.smallest(), *(space.sample(rng) for _ in range(row.samples))]
    candidates = tuple(space.candidate(genotype) for genotype in genotypes)
    calibration = (row.inputs(3, seed=3), row.inputs(2, seed=4))
    return Converted(row, generator, supernet.eval(), space, CostModel(supernet, space), candidates, calibration)


def difference(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())


def test_every_registered_generator_has_a_row_and_every_written_one_too() -> None:
    assert {row.generator.name for row in REGISTERED.values()} == set(GENERATORS)
    assert {Path(str(row.generator.source)).name for row in USERS.values()} == {file.name for file in WRITTEN.glob("*.py")}


@each
def test_full_width_is_the_generator_which_is_left_alone(name: str) -> None:
    one = converted(name)
    x = one.row.inputs(2)
    with torch.no_grad():
        assert difference(one.supernet(x, Candidate({})), one.generator.eval()(x)) <= TOLERANCE
        assert difference(one.supernet.extract(Candidate({}))(x), one.generator(x)) <= TOLERANCE
    torch.manual_seed(0)
    fresh = build_completed(one.row.generator)
    assert list(fresh.state_dict()) == list(one.generator.state_dict()), "conversion works on a copy"


@each
def test_nothing_is_fixed_without_a_reason(name: str) -> None:
    one = converted(name)
    supernet, row = one.supernet, one.row
    assert len(supernet.discovery.groups) == row.groups
    assert len(supernet.sites) == len(supernet.decomposable if row.sites else ()) == row.sites
    assert {kind: len(names) for kind, names in supernet.fixed.items() if names} == row.fixed
    assert all(len(reason) > 10 for names in supernet.fixed.values() for reason in names.values())
    weights = {name for name, part in supernet.module.named_parameters() if part.ndim > 1}
    sites = {weight for site in supernet.sites for weight in supernet.weights_of(site, "separable")}
    searched = {weight for layer in supernet.layers for weight in supernet.weights_of(layer, "dense")}
    assert weights <= searched | sites | set(supernet.fixed["weight format"])


@each
def test_the_space_is_made_and_decides_everything(name: str) -> None:
    one = converted(name)
    assert set(one.space.stage_of) == set(one.supernet.layers)
    assert 1 <= len(one.space.stages.names) <= 12
    decided = {target for decision in one.space.decisions for value in decision.values for _, target, _ in decision.effects(value)}
    wide = {group.name for group in one.supernet.discovery.groups if group.size > 8}
    assert decided >= wide | set(one.supernet.layers)


@each
def test_any_candidate_runs_and_its_own_module_is_the_same(name: str) -> None:
    one = converted(name)
    x = one.row.inputs(2)
    before = copy.deepcopy(one.supernet.state_dict())
    made = []
    for candidate in one.candidates:
        one.supernet.check(candidate)
        statistics = one.statistics(candidate)
        module = one.supernet.extract(candidate, statistics)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("error")
            image = one.supernet(x, candidate, statistics)
            assert image.isfinite().all()
            assert difference(module(x), image) <= TOLERANCE
        made.append(image)
    assert all(difference(first, second) > 0 for first, second in pairwise(made))
    with torch.no_grad():
        assert torch.equal(one.supernet(x, one.candidates[0], one.statistics(one.candidates[0])), made[0])
    assert all(torch.equal(before[key], value) for key, value in one.supernet.state_dict().items())


@each
def test_costs_are_those_of_the_module_by_fvcore(name: str) -> None:
    one = converted(name)
    for candidate in one.candidates[2:]:
        module, costs = one.supernet.extract(candidate), one.costs.costs(candidate)
        assert costs["macs"] == fvcore_macs(module, one.row.inputs(1))
        assert costs["params"] == sum(parameter.numel() for parameter in module.parameters())
        assert costs["macs_published"] >= costs["macs"]
        values = values_by_tensor(one.supernet, candidate, module)
        counted = recount(module, one.row.inputs(1), values)
        assert counted.total("macs") == costs["macs"]
        assert counted.total("bops") == costs["bops"]
        assert packed_file_size(module, values) == costs["storage_bytes"]
    smallest = one.candidates[1]
    prove(one.supernet, one.costs, smallest, example=one.row.inputs(1))
    assert all(one.costs.costs(smallest)[cost] < one.costs.costs(one.candidates[0])[cost] for cost in ("macs", "params", "storage_bytes"))


@each
def test_peak_memory_is_what_the_allocator_sees(name: str) -> None:
    one = converted(name)
    for candidate in one.candidates:
        measured = measure_peak(one.supernet.extract(candidate), one.row.inputs(1))
        assert one.costs.costs(candidate)["peak_activation_bytes"] == pytest.approx(measured.held_bytes, rel=0.05)
        assert measured.with_workspaces_bytes >= measured.held_bytes
    assert one.costs.peak.problem is None, "in closed form, not recorded"
    columns = one.costs.draw(20, 5)
    found = one.costs.costs_of(columns, only=["peak_activation_bytes"])["peak_activation_bytes"]
    expected = [one.costs.costs(one.space.candidate(one.space.genotype(row)))["peak_activation_bytes"] for row in columns]
    assert found.tolist() == expected
    assert one.costs.least("peak_activation_bytes") <= min(expected)


@each
def test_every_parameter_gets_a_gradient(name: str) -> None:
    one = converted(name)
    one.supernet.train()
    try:
        for candidate in one.candidates:
            image = one.supernet(one.row.inputs(3), candidate)
            (image * torch.randn_like(image)).sum().backward()
        for parameter, value in one.supernet.named_parameters():
            assert value.grad is not None and value.grad.isfinite().all(), parameter
            if value.ndim > 1:
                assert float(value.grad.abs().sum()) > 0, parameter
    finally:
        one.supernet.zero_grad()
        one.supernet.eval()


@each
def test_a_package_is_the_subnet(name: str, tmp_path: Path) -> None:
    one = converted(name)
    candidate = one.candidates[-1]
    write_package(
        tmp_path / "package",
        supernet=one.supernet,
        candidate=candidate,
        generator=one.row.generator,
        input_shape=(1, *one.row.shape),
        costs=one.costs.costs(candidate),
        scores={},
        experiment={},
        provenance={},
        statistics=one.statistics(candidate),
    )
    report = verify_package(tmp_path / "package", one.row.inputs(2), supernet=one.supernet, source=one.row.generator.source)
    assert report["storage_bytes"] == one.costs.costs(candidate)["storage_bytes"]
    assert report["largest_difference"] <= TOLERANCE


@each
def test_every_part_that_can_be_left_out_is_found_and_proven(name: str) -> None:
    row = ROWS[name]
    generator = converted(name).generator
    if not row.units:
        with pytest.raises(ConversionError, match="matches nothing that can be left out"):
            Supernet.convert(generator, row.inputs(1), skip=("*",), verify=False)
        return
    supernet = Supernet.convert(generator, row.inputs(1), skip=("*",)).eval()
    assert not supernet.fixed["depth"]
    assert len(supernet.units) == row.units
    dimensions = {"depth": (row.units, 1, 0), "width": (1.0, 0.5), "weight_bits": (32, 8), "activation_bits": (32, 8)}
    space = Space.build(
        SpaceConfig(stages={"all": ("*",)}, dimensions={key: DimensionConfig(choices={"*": values}) for key, values in dimensions.items()}),
        supernet,
    )
    costs, x, rng = CostModel(supernet, space), row.inputs(2), random.Random(1)
    for genotype in (space.smallest(), {**space.sample(rng), "depth/all": 1}):
        candidate = space.candidate(genotype)
        statistics = supernet.calibrate(candidate, converted(name).calibration)
        module = supernet.extract(candidate, statistics)
        with torch.no_grad():
            assert difference(module(x), supernet(x, candidate, statistics)) <= TOLERANCE
        found = costs.costs(candidate)
        counted = recount(module, row.inputs(1), values_by_tensor(supernet, candidate, module))
        assert found["macs"] == fvcore_macs(module, row.inputs(1)) and found["bops"] == counted.total("bops")
        assert found["params"] == sum(parameter.numel() for parameter in module.parameters())
        assert found["peak_activation_bytes"] == record(module, row.inputs(1)).peak
