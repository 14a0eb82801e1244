"""A simulated backend: a real space and its real costs, with scores from a formula instead of a trained supernet."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from autogc.config.experiment import SearchConfig, SpaceConfig
from autogc.cost import CostModel
from autogc.metrics import Assessment
from autogc.metrics.assessment import FirstLook, Look
from autogc.models import GENERATORS
from autogc.progress import Silent
from autogc.search.evaluator import evaluate, seed_for
from autogc.search.ledger import Evaluation, Ledger
from autogc.search.screening import Bar
from autogc.search.session import SearchSession
from autogc.search.study import SearchStudy
from autogc.supernet import Candidate, Space, Supernet

STAGES = {"stem": ("stem.*", "down*"), "blocks": ("blocks.*",), "tail": ("*",)}
DIMENSIONS: dict[str, Any] = {
    "width": {"choices": {"*": (0.25, 0.5, 0.75, 1.0)}},
    "operator": {"choices": {"blocks": ("dense", "separable"), "stem": ("dense", "separable")}},
    "element_pruning": {"choices": {"*": (0, 0.25, 0.5)}},
    "weight_bits": {"choices": {"*": (32, 8, 4)}},
    "codebook": {"choices": {"*": ("none", 256, 16)}},
    "activation_bits": {"choices": {"*": (32, 8)}},
}
# Two widths and three formats in each of two stages: 18 candidates.
SMALL_DIMENSIONS: dict[str, Any] = {
    "width": {"choices": {"stem.conv": (0.5, 1.0)}},
    "weight_bits": {"choices": {"stem": (32, 8, 4), "blocks": (32, 8, 4)}},
}


def build_supernet() -> Supernet:
    torch.manual_seed(0)
    generator = GENERATORS.build("resnet", {"base_channels": 32, "blocks": 3, "norm": "instance"}, in_channels=4, out_channels=3)
    return Supernet.convert(generator, torch.zeros(1, 4, 16, 24), decompose=("blocks.*", "down2.conv"), verify=False)


def build_space(supernet: Supernet, dimensions: dict[str, Any]) -> Space:
    return Space.build(SpaceConfig.model_validate({"stages": STAGES, "dimensions": dimensions}), supernet)


@dataclass
class SimulatedEvaluator:
    """Scores from a candidate's choices: more channels and bits are better, each decision with its own weight and diminishing returns."""

    seed: int = 0
    seconds: float = 0.0
    log: Path | None = None
    fail_every: int = 0
    latency: bool = False

    def seed_of(self, candidate: Candidate) -> int:
        return seed_for(candidate, self.seed)

    def evaluate(self, candidate: Candidate, bar: Bar | None = None) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
        if self.log is not None:
            with self.log.open("a") as stream:
                stream.write(candidate.hash + "\n")
        time.sleep(self.seconds)
        if self.fail_every and int(candidate.hash, 16) % self.fail_every == 0:
            return {"fid": math.nan, "miou": 0.0}, {}, {}
        loss = 0.0
        for dimension, targets in candidate.choices.items():
            for target, value in targets.items():
                weight = 0.2 + int.from_bytes(f"{dimension}{target}".encode()[-2:], "big") % 97 / 97
                size = float(value) if isinstance(value, int | float) else 1.0
                loss += weight * {"width": 40 / size, "weight_bits": 4 / size, "codebook": 8 / size}.get(dimension, 0.5 + size / 64)
        fid = 20 + 3 * loss + 0.3 * loss**1.5
        measured = {"latency_ms": 1 + 20 / (1 + loss)} if self.latency else {}
        scores = {"fid": fid, "miou": 1 / (1 + fid / 50)}
        if bar is None:
            return scores, measured, {"network": "simulated"}
        # Fewer images make FID higher, and a little uncertain.
        first = {"fid": fid * (1.2 + 0.02 * math.sin(int(candidate.hash, 16) % 1000)), "miou": scores["miou"]}
        provenance = {"network": "simulated", "first": {"images": bar.images, "scores": first}}
        return ({} if bar.missed(first) else scores), measured, provenance


@dataclass
class Simulation:
    """A search in this process: the study, the session and the ledger as they are, with ``concurrent`` candidates under way."""

    space: Space
    costs: CostModel
    directory: Path
    config: SearchConfig
    evaluator: SimulatedEvaluator
    seed: int = 0
    durable: bool = True  # the study on disk; the ledger always is

    def open(self, on_evaluation: Callable[[Evaluation], None] | None = None) -> SearchSession:
        ledger = Ledger(self.directory)
        study = SearchStudy(
            name="simulation",
            config=self.config,
            space=self.space,
            costs=self.costs,
            seed=self.seed,
            path=self.directory / "study.db" if self.durable else None,
            evaluations=ledger.read(),
        )
        return SearchSession(study=study, ledger=ledger, config=self.config, progress=Silent(), on_evaluation=on_evaluation)

    def run(self, session: SearchSession | None = None) -> SearchSession:
        session = session or self.open()
        under_way = []
        while True:
            while len(under_way) < self.config.concurrent and (proposal := session.next()) is not None:
                under_way.append(proposal)
            if not under_way:
                return session
            proposal = under_way.pop(0)
            session.finish(proposal, evaluate(self.evaluator, proposal.candidate, proposal.bar))


def limit_at(costs: CostModel, cost: str, share: float) -> float:
    """Return the limit on ``cost`` that this share of the space meets."""
    return float(np.quantile(costs.costs_of(costs.draw(20_000, 0))[cost], share))


class FakeSplit:
    """Four noise images."""

    name = "validation"

    def __init__(self) -> None:
        self.inputs = torch.randn(4, 4, 16, 24, generator=torch.Generator().manual_seed(0))

    def __len__(self) -> int:
        return len(self.inputs)


class FakeJudge:
    """Scores a generator by the spread of its pixels."""

    metrics = ("fid",)

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)

    def to(self, device: torch.device) -> FakeJudge:
        self.device = device
        return self

    def sharing(self, names: tuple[str, ...], split: FakeSplit, *, images: int | None = None) -> tuple[str, ...]:
        return names

    def score(
        self,
        generate: Any,
        split: FakeSplit,
        *,
        metrics: tuple[str, ...],
        images: int | None,
        batch_size: int,
        precision: str,
        look: Look | None = None,
    ) -> Assessment:
        assert self.device.type == "cpu"
        with torch.inference_mode():
            made = generate(split.inputs[:images])
        first = None
        if look is not None:
            first = FirstLook(look.images, {name: float(made[: look.images].double().std()) * 100 for name in metrics})
            if not look.go_on(first.scores):
                return Assessment({}, first=first)
        return Assessment({name: float(made.double().std()) * 100 for name in metrics}, first=first)

    def provenance(self, split: FakeSplit, images: int | None = None) -> dict[str, Any]:
        return {"network": "fake", "images": images}
