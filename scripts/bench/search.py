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
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from spaces.landscapes import Landscape, bottleneck, chain, table, told

from autogc.config.experiment import SearchConfig
from autogc.search.study import SearchStudy

TABLE = Path(__file__).parent / "spaces" / "quickstart_scores.parquet"
SPACES = {"chain": chain, "bottleneck": bottleneck, "table": lambda: table(TABLE)}
MARKS = (25, 50, 100, 200, 400, 800, 1000)
SECONDS = (5, 10, 15, 20, 30, 40)


def search(space: str, sampler: str, *, seed: int, evaluations: int, workers: int, screen: bool) -> dict[str, Any]:
    """Return what one search reached after each number of evaluations, and what its proposals took."""
    landscape: Landscape = SPACES[space]()
    screen = screen and landscape.first is not None
    config = SearchConfig.model_validate(
        {
            "sampler": {"name": sampler},
            "objectives": (landscape.score, landscape.cost),
            "constraints": dict(landscape.constraints or {}),
            "evaluations": evaluations,
            "first_images": landscape.first_images if screen else None,
        }
    )
    costs: Any = landscape.costs
    study = SearchStudy(name="bench", config=config, space=costs.space, costs=costs, seed=seed)
    noise = np.random.default_rng([seed, evaluations])
    under_way: list[Any] = []
    rows: list[np.ndarray] = []
    whole: list[bool] = []
    clock: list[float] = []  # seconds of evaluation, as they were measured for the table
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
        first = {} if not screen or landscape.first is None else {landscape.score: float(landscape.first(row[None])[0])}
        whole.append(proposal.bar is None or not proposal.bar.missed(first))
        took = 0.0 if landscape.seconds is None else float(landscape.seconds[whole[-1]](row[None])[0])
        clock.append((clock[-1] if clock else 0.0) + took)
        scores = {landscape.score: landscape.evaluate(row, noise)} if whole[-1] else None
        study.tell(told(proposal, scores, state="complete" if whole[-1] else "screened", first=first))
    scored = [np.array([row for row, scored in zip(rows[:mark], whole, strict=False) if scored]) for mark in range(5, len(rows) + 1, 5)]
    reached = {5 * (place + 1): landscape.reached(some) for place, some in enumerate(scored)}
    return {
        "space": space,
        "sampler": sampler,
        "seed": seed,
        "evaluations": evaluations,
        "workers": workers,
        "screen": screen,
        "reached": reached,
        "clock": {mark: round(clock[mark - 1], 3) for mark in reached},
        "screened": len(whole) - sum(whole),
        "seconds_a_proposal": seconds / len(rows),
        "longest_proposal": longest,
        "infeasible": study.infeasible,
        "repeated": study.duplicates,
    }


def _print(results: Sequence[dict[str, Any]]) -> None:
    for space in dict.fromkeys(one["space"] for one in results):
        print(f"\n{space}: hypervolume in per cent of the true front's, mean (standard deviation over seeds)")
        longest = max(one["evaluations"] for one in results if one["space"] == space)
        marks = [mark for mark in MARKS if mark <= longest]
        head = ["sampler", "workers", "seeds", *map(str, marks), "s/proposal", "longest", "infeasible", "repeated"]
        rows = [head]
        for (sampler, workers, screen), found in _groups([one for one in results if one["space"] == space]):
            cells = []
            for mark in marks:
                reached = [one["reached"][str(mark)] for one in found if str(mark) in one["reached"]]
                cells.append(f"{np.mean(reached):.1f} ({np.std(reached):.1f})" if reached else "")
            took = np.mean([one["seconds_a_proposal"] for one in found])
            most = max(one["longest_proposal"] for one in found)
            counts = [str(sum(one[name] for one in found)) for name in ("infeasible", "repeated")]
            rows.append(
                [
                    f"{sampler}, screened" if screen else sampler,
                    str(workers),
                    str(len(found)),
                    *cells,
                    f"{took:.3f}",
                    f"{most:.2f}",
                    *counts,
                ]
            )
        _print_table(rows)
        clocks = [one for one in results if one["space"] == space and max(one["clock"].values()) > 0]
        if clocks:
            _print_by_seconds(clocks)


def _print_by_seconds(results: Sequence[dict[str, Any]]) -> None:
    """Print what was reached after some seconds of evaluation, as they were measured when the table was made."""
    print("\nthe same by seconds of evaluation")
    rows = [["sampler", "workers", "screened", *(f"{seconds} s" for seconds in SECONDS)]]
    for (sampler, workers, screen), found in _groups(results):
        cells = []
        for seconds in SECONDS:
            curves = [(list(one["clock"].values()), list(one["reached"].values())) for one in found]
            reached = [np.interp(seconds, times, values, right=np.nan) for times, values in curves]
            cells.append(f"{np.mean(reached):.1f} ({np.std(reached):.1f})" if np.isfinite(reached).all() else "")
        screened = np.mean([one["screened"] for one in found])
        rows.append([f"{sampler}, screened" if screen else sampler, str(workers), f"{screened:.0f}", *cells])
    _print_table(rows)


def _print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _groups(results: Sequence[dict[str, Any]]) -> Iterator[tuple[tuple[str, int, bool], list[dict[str, Any]]]]:
    def key_of(one: dict[str, Any]) -> tuple[str, int, bool]:
        return one["sampler"], one["workers"], one["screen"]

    for key in dict.fromkeys(map(key_of, results)):
        yield key, [one for one in results if key_of(one) == key]


def _draw(results: Sequence[dict[str, Any]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    spaces = list(dict.fromkeys(one["space"] for one in results))
    figure, axes = plt.subplots(1, len(spaces), figsize=(5 * len(spaces), 4), squeeze=False)
    for axis, space in zip(axes[0], spaces, strict=True):
        for (sampler, workers, screen), found in _groups([one for one in results if one["space"] == space]):
            marks = sorted({int(mark) for one in found for mark in one["reached"]})
            curves = [[one["reached"].get(str(mark), np.nan) for mark in marks] for one in found]
            mean, spread = np.nanmean(curves, axis=0), np.nanstd(curves, axis=0)
            (line,) = axis.plot(marks, mean, label=", ".join([sampler, *[f"{workers} workers"] * (workers > 1), *["screened"] * screen]))
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
    parser.add_argument("--screen", action="store_true", help="score candidates on the table's first 16 images first")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="searches at a time")
    parser.add_argument("--out", type=Path, required=True, metavar="RESULTS")
    args = parser.parse_args()
    done = [json.loads(line) for line in args.out.read_text().splitlines()] if args.out.is_file() else []
    keys = ("space", "sampler", "seed", "evaluations", "workers", "screen")
    there = {tuple(one[key] for key in keys) for one in done}
    wanted = [
        (space, sampler, seed, args.evaluations, args.workers, args.screen)
        for seed in range(args.seeds)
        for space in args.spaces
        for sampler in args.samplers
    ]
    missing = [one for one in wanted if one not in there]
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool, args.out.open("a", buffering=1) as stream:
        running = [
            pool.submit(search, space, sampler, seed=seed, evaluations=evaluations, workers=workers, screen=screen)
            for space, sampler, seed, evaluations, workers, screen in missing
        ]
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
