#!/usr/bin/env python3
"""Compare samplers where the best front is known: two analytic spaces, and a table of real evaluations.

Each search goes through the study as a real one does (feasible candidates only, none twice), on a database in memory. What counts is the
hypervolume that the evaluated candidates dominate, by their scores without noise, in per cent of what the true front dominates; costs and
FIDs on a logarithmic scale, the reference a tenth of the front's range beyond its worst (``spaces/landscapes.py``). Every finished search
is a line of RESULTS, and is not run again.

    python scripts/bench/search.py --out results.jsonl
    python scripts/bench/search.py --samplers gp GPSampler tpe nsga2 --spaces chain table --seeds 10 --workers 8 --out results.jsonl
    python scripts/bench/search.py --samplers gp --spaces chain --evaluations 1000 --seeds 1 --out long.jsonl

Prints the mean hypervolume, with the standard deviation over seeds, after 25, 50, 100, ... evaluations, the seconds that a proposal takes,
and how many proposals were infeasible or repeated, and draws the curves beside RESULTS.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from spaces.landscapes import Landscape, bottleneck, chain, table

from autogc.config.experiment import SearchConfig
from autogc.search import Evaluation
from autogc.search.study import SearchStudy

TABLE = Path(__file__).parent / "spaces" / "quickstart_scores.parquet"
SPACES = {"chain": chain, "bottleneck": bottleneck, "table": lambda: table(TABLE)}
MARKS = (25, 50, 100, 200, 400, 800, 1000)


def search(space: str, sampler: str, *, seed: int, evaluations: int, workers: int) -> dict[str, Any]:
    """Return what one search reached after each number of evaluations, and what its proposals took."""
    landscape: Landscape = SPACES[space]()
    config = SearchConfig.model_validate(
        {
            "sampler": {"name": sampler},
            "objectives": (landscape.score, landscape.cost),
            "constraints": dict(landscape.constraints or {}),
            "evaluations": evaluations,
        }
    )
    costs: Any = landscape.costs
    study = SearchStudy(name="bench", config=config, space=costs.space, costs=costs, seed=seed)
    noise = np.random.default_rng([seed, evaluations])
    under_way: list[Any] = []
    rows: list[np.ndarray] = []
    seconds, longest = 0.0, 0.0
    while True:
        start = time.perf_counter()
        while len(under_way) < workers and (proposal := study.ask()) is not None:
            under_way.append(proposal)
            now = time.perf_counter()
            seconds, longest, start = seconds + now - start, max(longest, now - start), now
        if not under_way:
            break
        proposal = under_way.pop(0)
        row = costs.space.indices(proposal.genotype)
        rows.append(row)
        study.tell(_evaluation(proposal, {landscape.score: landscape.evaluate(row, noise)}))
    reached = {mark: landscape.reached(np.array(rows[:mark])) for mark in range(5, len(rows) + 1, 5)}
    return {
        "space": space,
        "sampler": sampler,
        "seed": seed,
        "evaluations": evaluations,
        "workers": workers,
        "reached": reached,
        "seconds_a_proposal": seconds / len(rows),
        "longest_proposal": longest,
        "infeasible": study.infeasible,
        "repeated": study.duplicates,
    }


def _evaluation(proposal: Any, scores: dict[str, float]) -> Evaluation:
    now = datetime.now(UTC)
    costs = {name: float(value) for name, value in proposal.costs.items()}
    return Evaluation(proposal.trial, proposal.candidate, proposal.genotype, "complete", None, scores, costs, {}, 0, {}, now, now, "bench")


def _print(results: Sequence[dict[str, Any]]) -> None:
    for space in dict.fromkeys(one["space"] for one in results):
        print(f"\n{space}: hypervolume in per cent of the true front's, mean (standard deviation over seeds)")
        longest = max(one["evaluations"] for one in results if one["space"] == space)
        marks = [mark for mark in MARKS if mark <= longest]
        head = ["sampler", "workers", "seeds", *map(str, marks), "s/proposal", "longest", "infeasible", "repeated"]
        rows = [head]
        for (sampler, workers), found in _groups([one for one in results if one["space"] == space]):
            cells = []
            for mark in marks:
                reached = [one["reached"][str(mark)] for one in found if str(mark) in one["reached"]]
                cells.append(f"{np.mean(reached):.1f} ({np.std(reached):.1f})" if reached else "")
            took = np.mean([one["seconds_a_proposal"] for one in found])
            most = max(one["longest_proposal"] for one in found)
            counts = [str(sum(one[name] for one in found)) for name in ("infeasible", "repeated")]
            rows.append([sampler, str(workers), str(len(found)), *cells, f"{took:.3f}", f"{most:.2f}", *counts])
        widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _groups(results: Sequence[dict[str, Any]]) -> Iterator[tuple[tuple[str, int], list[dict[str, Any]]]]:
    for key in dict.fromkeys((one["sampler"], one["workers"]) for one in results):
        yield key, [one for one in results if (one["sampler"], one["workers"]) == key]


def _draw(results: Sequence[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    spaces = list(dict.fromkeys(one["space"] for one in results))
    figure, axes = plt.subplots(1, len(spaces), figsize=(5 * len(spaces), 4), squeeze=False)
    for axis, space in zip(axes[0], spaces, strict=True):
        for (sampler, workers), found in _groups([one for one in results if one["space"] == space]):
            marks = sorted({int(mark) for one in found for mark in one["reached"]})
            curves = [[one["reached"].get(str(mark), np.nan) for mark in marks] for one in found]
            mean, spread = np.nanmean(curves, axis=0), np.nanstd(curves, axis=0)
            (line,) = axis.plot(marks, mean, label=sampler if workers == 1 else f"{sampler}, {workers} workers")
            axis.fill_between(marks, mean - spread, mean + spread, alpha=0.15, color=line.get_color())
        axis.set(title=space, xlabel="evaluations", ylabel="hypervolume, % of the true front's")
        axis.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run what is missing, print and draw everything that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samplers", nargs="+", default=["gp", "GPSampler", "tpe", "nsga2", "random"], metavar="NAME")
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=list(SPACES))
    parser.add_argument("--seeds", type=int, default=10, metavar="N")
    parser.add_argument("--evaluations", type=int, default=100, metavar="N")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="candidates under evaluation at a time")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="searches at a time")
    parser.add_argument("--out", type=Path, required=True, metavar="RESULTS")
    args = parser.parse_args()
    done = [json.loads(line) for line in args.out.read_text().splitlines()] if args.out.is_file() else []
    keys = ("space", "sampler", "seed", "evaluations", "workers")
    there = {tuple(one[key] for key in keys) for one in done}
    wanted = [
        (space, sampler, seed, args.evaluations, args.workers)
        for seed in range(args.seeds)
        for space in args.spaces
        for sampler in args.samplers
    ]
    missing = [one for one in wanted if one not in there]
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool, args.out.open("a", buffering=1) as stream:
        running = [pool.submit(search, one[0], one[1], seed=one[2], evaluations=one[3], workers=one[4]) for one in missing]
        for number, future in enumerate(as_completed(running), start=1):
            stream.write(json.dumps(future.result()) + "\n")
            print(f"\r{number}/{len(missing)} searches", end="", flush=True)
    results = [json.loads(line) for line in args.out.read_text().splitlines()]
    results = [one for one in results if one["space"] in args.spaces and one["sampler"] in args.samplers]
    _print(results)
    _draw(results, args.out.with_suffix(".png"))
    print(f"\ncurves: {args.out.with_suffix('.png')}")


if __name__ == "__main__":
    main()
