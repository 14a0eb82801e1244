#!/usr/bin/env python3
"""Score every feasible candidate of a small space over a trained supernet, once: the landscape that scripts/bench/search.py searches in.

The supernet, the judge and the validation images are those of a finished run of search_spaces/quickstart.yaml; the space is SPACE below, a
part of the quickstart's: nine decisions, of which those beyond LIMIT MACs are left out, since the quickstart's supernet is not trained for
them. The scores go into one Parquet file: a row a candidate, the index of each decision's value, fid, miou, the costs, and what FID and
mIoU are on parts of the images. Interrupted, the same command goes on.

    autogc run search_spaces/quickstart.yaml --set seed=1 --until supernet --run-dir RUN
    python scripts/bench/score_table.py RUN --out scripts/bench/spaces/quickstart_scores.parquet
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from autogc.config.experiment import SpaceConfig
from autogc.cost import CostModel
from autogc.files import replacing
from autogc.pipeline.run import Run
from autogc.search import CandidateEvaluator, calibration_batches
from autogc.search.evaluator import evaluate
from autogc.supernet.space import Space

LIMIT = 35_000_000
COSTS = ("macs", "storage_bytes", "params")
PARTS = (16,)  # images, beside all of them
SPACE: dict[str, Any] = {
    "stages": {"blocks": ["blocks.*"], "ends": ["stem.*", "head.*"], "middle": ["down*", "up*"]},
    "dimensions": {
        "width": {
            "choices": {"*": [1.0, 0.67, 0.34]},
            "tie": [["stem.*", "up2.*"], ["down1.*", "up1.*"], ["blocks.0.*", "blocks.1.*"], ["blocks.2.*", "blocks.3.*"]],
        },
        "operator": {"choices": {"blocks": ["dense", "separable"], "ends": ["dense", "separable"]}},
        "element_pruning": {"choices": {"blocks": [0.0, 0.3]}},
        "weight_bits": {"choices": {"blocks": [32, 8, 6, 4], "middle": [32, 8, 6]}},
    },
}


def main() -> None:
    """Score, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--describe", action="store_true", help="print the decisions and the number of feasible candidates, and stop")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with Run.reopen(args.run, exclusive=False) as run:
        space = Space.build(SpaceConfig.model_validate(SPACE), run.supernet)
        costs = CostModel(run.supernet, space)
        columns = costs.draw(space.size, 0)
        columns = columns[costs.feasible(columns, {"macs": LIMIT})]
        for decision in space.decisions:
            print(decision.name, list(decision.values))
        print(f"{len(columns):,} of {space.size:,} candidates are feasible")
        if not args.describe:
            _score(run, space, costs, columns, args.out)


def _score(run: Run, space: Space, costs: CostModel, columns: np.ndarray, out: Path) -> None:
    data, judge = run.data, run.judge
    evaluators = {
        images: CandidateEvaluator(
            supernet=run.supernet,
            judge=judge,
            split=data.validation,
            metrics=("fid", "miou"),
            seed=run.experiment.seed,
            images=images,
            calibration=calibration_batches(run.experiment, data, run.supernet),
        )
        for images in (*PARTS, None)
    }
    beside = out.with_suffix(".partial.jsonl")
    done = [json.loads(line) for line in beside.read_text().splitlines()] if beside.is_file() else []
    with beside.open("a", buffering=1) as stream:
        for number, row in enumerate(columns[len(done) :], start=len(done) + 1):
            found = {}
            for images, evaluator in evaluators.items():
                start = time.perf_counter()
                outcome = evaluate(evaluator, space.candidate(space.genotype(row)))
                suffix = "" if images is None else f"_{images}"
                found |= {f"{name}{suffix}": value for name, value in outcome.scores.items()}
                found[f"seconds{suffix}"] = time.perf_counter() - start
            done.append(found)
            stream.write(json.dumps(found) + "\n")
            if number % 50 == 0:
                print(f"{number}/{len(columns)}", flush=True)
    _write(run, space, costs, columns, done, out)
    beside.unlink()


def _write(run: Run, space: Space, costs: CostModel, columns: np.ndarray, scores: list[dict[str, float]], out: Path) -> None:
    """Write the table: an index column for each decision (uint8), the scores and seconds (float32; NaN where one failed), the costs."""
    known = costs.costs_of(columns, only=COSTS)
    names = list(dict.fromkeys(name for one in scores for name in one))
    table = {decision.name: columns[:, index].astype(np.uint8) for index, decision in enumerate(space.decisions)}
    table |= {name: np.array([one.get(name, np.nan) for one in scores], dtype=np.float32) for name in names}
    table |= {name: known[name] for name in COSTS}
    described = {
        "decisions": [[decision.name, list(decision.values)] for decision in space.decisions],
        "limits": {"macs": LIMIT},
        "made_by": f"scripts/bench/score_table.py of {run.experiment.name}, seed {run.experiment.seed}",
        "judged_by": run.judge.provenance(run.data.validation),
    }
    with replacing(out) as path:
        pq.write_table(pa.table(table).replace_schema_metadata({"autogc": json.dumps(described)}), path, compression="zstd")


if __name__ == "__main__":
    main()
