"""A whole experiment that takes seconds, and a finished run of one in this process, its search without Ray."""

import random
import subprocess
import sys
from pathlib import Path

from autogc.config.experiment import Experiment
from autogc.files import write_json
from autogc.metrics import METRICS
from autogc.pipeline import Run
from autogc.pipeline.job import find_stage
from autogc.search import Evaluation, Ledger
from autogc.search.evaluator import CandidateEvaluator, evaluate

TINY = """
name: tiny
data: {name: streets, args: {train: 8, validation: 4, test: 4, height: 32, width: 32}}
generator: {name: resnet, args: {base_channels: 16, blocks: 1}}
discriminator: {name: patchgan, args: {base_channels: 8, layers: 1}}
losses: {reconstruction_weight: 10, distillation_layers: [down2, up1]}
teacher: {steps: 4, batch_size: 2, checkpoint_every: 2, log_every: 1}
supernet: {steps: 4, batch_size: 2, checkpoint_every: 2, log_every: 1, decompose: ["blocks.*"], accept_trivial: true}
finetune: {steps: 4, batch_size: 2, checkpoint_every: 2, log_every: 1}
scores:
  feature_network: {name: dataset_segmenter, args: {steps: 4}}
  segmenter: {name: dataset_segmenter, args: {steps: 4}}
  latency: {warmup: 1, runs: 3, patience_s: 0}
space:
  stages: {all: ["*"]}
  dimensions:
    width: {choices: {"*": [1.0, 0.5]}}
    operator: {choices: {all: [dense, separable]}}
    weight_bits: {choices: {all: [32, 8]}}
search:
  objectives: [fid, macs]
  constraints: {storage_bytes: 100000}
  evaluations: 4
  concurrent: 1
tracking: {refresh_every: 2}
"""


def run_autogc(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    return subprocess.run([sys.executable, "-m", "autogc", *map(str, arguments)], capture_output=True, text=True, timeout=400)


def finish(experiment: Experiment, directory: Path) -> None:
    """Do every stage up to fine-tuning as it is, but for the search: its candidates are drawn and scored right here."""
    with Run.open(directory, experiment) as run:
        for stage in ("teacher", "supernet"):
            find_stage(stage).run(run)
        _search(run)
        for stage in ("export", "finetune"):
            find_stage(stage).run(run)


def _search(run: Run) -> None:
    search, directory = run.experiment.search, run.stage_directory("search")
    metrics = tuple(name for name in search.objectives if name in METRICS)
    evaluator = CandidateEvaluator(supernet=run.supernet, judge=run.judge, split=run.data.validation, metrics=metrics, seed=0)
    ledger, draws, seen = Ledger(directory), random.Random(0), set()
    while len(seen) < search.evaluations:
        genotype = run.space.sample(draws)
        candidate = run.space.candidate(genotype)
        costs = run.costs.costs(candidate)
        if candidate.hash in seen or any(costs[name] > most for name, most in search.constraints.items()):
            continue
        outcome = evaluate(evaluator, candidate)
        assert outcome.state == "complete", outcome.reason
        ledger.append(
            Evaluation(
                trial=len(seen),
                candidate=candidate,
                genotype=genotype,
                costs={name: float(value) for name, value in costs.items()},
                versions={},
                **{
                    name: getattr(outcome, name)
                    for name in ("state", "reason", "scores", "provenance", "seed", "started", "finished", "worker")
                },
            )
        )
        seen.add(candidate.hash)
    write_json(directory / "result.json", {"asked": search.evaluations, "evaluations": len(seen), "complete": len(seen)})
