from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from simulation import DIMENSIONS, SMALL_DIMENSIONS, SimulatedEvaluator, Simulation, build_space, build_supernet

from autogc.config.experiment import SearchConfig
from autogc.cost import CostModel
from autogc.supernet import Space, Supernet


@pytest.fixture(scope="session")
def supernet() -> Supernet:
    return build_supernet()


@pytest.fixture(scope="session")
def space(supernet: Supernet) -> Space:
    return build_space(supernet, DIMENSIONS)


@pytest.fixture(scope="session")
def costs(supernet: Supernet, space: Space) -> CostModel:
    return CostModel(supernet, space)


@pytest.fixture(scope="session")
def small_space(supernet: Supernet) -> Space:
    """18 candidates: a space that a search exhausts."""
    return build_space(supernet, SMALL_DIMENSIONS)


@pytest.fixture(scope="session")
def small_costs(supernet: Supernet, small_space: Space) -> CostModel:
    return CostModel(supernet, small_space)


@pytest.fixture
def simulate(space: Space, costs: CostModel, tmp_path: Path) -> Callable[..., Simulation]:
    """Make a simulated search in a directory of its own. Every evaluation leaves its hash in ``log``."""

    def make(
        *,
        space: Space = space,
        costs: CostModel = costs,
        seed: int = 0,
        durable: bool = False,
        evaluator: SimulatedEvaluator | None = None,
        directory: str = "search",
        **config: Any,
    ) -> Simulation:
        return Simulation(
            space=space,
            costs=costs,
            directory=tmp_path / directory,
            config=SearchConfig.model_validate({"sampler": {"name": "random"}, **config}),
            evaluator=evaluator or SimulatedEvaluator(log=tmp_path / "log"),
            seed=seed,
            durable=durable,
        )

    return make
