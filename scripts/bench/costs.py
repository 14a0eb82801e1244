#!/usr/bin/env python3
"""Count every cost of a million candidates on one core, beside counting them one after another.

The space is that of an experiment file whose pictures are in RGB, at the file's own size; no data is needed. Both ways run in this process
on one thread and give the same numbers, which is checked for the sample that is counted singly. What is made once for a space (tables, and
the recordings that peak activation memory is read from) is shown apart. Where the machine has other work, go by the core's own time.

    python scripts/bench/costs.py
    python scripts/bench/costs.py --space search_spaces/cityscapes_pix2pix.yaml --candidates 100000
"""

# ruff: noqa: E402
from __future__ import annotations

import os

# Before numpy is imported, which reads it then.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ[f"{library}_NUM_THREADS"] = "1"

import argparse
import time
from pathlib import Path

import torch

from autogc.config.load import load_experiment
from autogc.cost import COSTS, CostModel
from autogc.cost.latency import device_name
from autogc.models import build_generator_component
from autogc.supernet import Space, Supernet

SPACES = Path(__file__).resolve().parents[2] / "search_spaces"


def build(path: Path) -> CostModel:
    """Return the cost model of an experiment file's space, for pictures of the size that it trains on."""
    experiment = load_experiment(path)
    generator = build_generator_component(experiment.generator, in_channels=3, out_channels=3)
    example = torch.zeros(1, 3, experiment.data.args["height"], experiment.data.args["width"])
    supernet = Supernet.convert(generator, example, decompose=experiment.supernet.decompose, importance="position", verify=False)
    return CostModel(supernet, Space.build(experiment.space, supernet))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", type=Path, default=SPACES / "horse2zebra_cyclegan.yaml", help="the experiment file [%(default)s]")
    parser.add_argument("--candidates", type=int, default=1_000_000, help="how many are counted at once [%(default)s]")
    parser.add_argument("--singly", type=int, default=200, help="how many of them are counted one after another [%(default)s]")
    parser.add_argument("--seed", type=int, default=0, help="of the candidates, drawn uniformly [%(default)s]")
    given = parser.parse_args()
    torch.set_num_threads(1)
    costs = build(given.space)
    columns = costs.draw(given.candidates, given.seed)
    print(f"{given.space.name}: {costs.space.size:.3g} subnets of {len(costs.space.decisions)} decisions; {len(columns):,} drawn")
    print(f"{device_name(torch.device('cpu'))}, one thread")

    start = time.perf_counter()
    costs.costs_of(columns[:1])
    print(f"\nmade once for the space       {time.perf_counter() - start:8.2f} s")
    start, busy = time.perf_counter(), time.process_time()
    found = costs.costs_of(columns)
    together, core = time.perf_counter() - start, time.process_time() - busy
    print(f"all {len(COSTS)} costs of {len(columns):,}  {together:8.2f} s   ({core:.2f} s of the core's time)")
    for name in COSTS:
        start = time.perf_counter()
        costs.costs_of(columns, only=[name])
        print(f"  {name:<26}  {time.perf_counter() - start:8.2f} s   {found[name].min():,} to {found[name].max():,}")

    sample = [costs.space.candidate(costs.space.genotype(row)) for row in columns[: given.singly]]
    costs.costs(sample[0])
    start = time.perf_counter()
    singly = [costs.costs(candidate) for candidate in sample]
    each = (time.perf_counter() - start) / len(sample)
    assert all({name: int(found[name][row]) for name in COSTS} == one for row, one in enumerate(singly)), "both ways give the same numbers"
    print(f"one after another             {each * len(columns):8.0f} s   ({each * 1e3:.2f} ms each, of {len(sample)}; the same numbers)")
    print(f"ratio                         {each * len(columns) / together:8.0f} x")


if __name__ == "__main__":
    main()
