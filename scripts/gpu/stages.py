"""Checks of training: its steps in three precisions, its resuming, and one real training from teacher to fine-tuned package."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from findings import Failed
from setting import experiment_of

from autogc.config.experiment import Experiment
from autogc.cost import CostModel
from autogc.export import load_package, verify_package, write_package
from autogc.files import read_json
from autogc.metrics import Judge
from autogc.models import completed
from autogc.search import CandidateEvaluator, Evaluation, Ledger, calibration_batches, pick
from autogc.search.evaluator import evaluate
from autogc.supernet import Space
from autogc.supernet.statistics import recalibrate, statistics_of
from autogc.training import finetune, load_supernet, load_teacher, train_supernet, train_teacher
from autogc.training.stage import build_data, build_generator, example_input, given_to_generator
from autogc.training.weights import read_weights


def train(settings: Mapping[str, Any], *, deepspeed: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Train teacher, supernet and a subnet for a few steps; losses must be finite, results whole, the package what it says."""
    base = experiment_of(settings).model_dump(mode="json")
    for stage in ("teacher", "supernet", "finetune"):
        base[stage]["deepspeed"] = deepspeed
    experiment = Experiment.model_validate(base)
    with TemporaryDirectory(dir=settings["scratch"]) as name:
        directory = Path(name)
        train_teacher(experiment, directory / "teacher")
        train_supernet(experiment, directory / "teacher", directory / "supernet")
        _export(experiment, directory, evaluation=None)
        _finetune(experiment, directory)
        results = {stage: read_json(directory / stage / "result.json") for stage in ("teacher", "supernet", "finetune")}
    # The first step of a stage sets things up: the mean over all is what a user waits for.
    times = {stage: 1e3 * result["seconds"] / result["steps"] for stage, result in results.items()}
    details = {"milliseconds_a_step": times, "losses": {stage: result["losses"] for stage, result in results.items()}}
    wrong = [f"{stage} {key}" for stage, result in results.items() for key, value in result["losses"].items() if not math.isfinite(value)]
    if wrong:
        raise Failed(f"not finite: {', '.join(wrong)}", details)
    said = ", ".join(f"{stage} {milliseconds:.0f}" for stage, milliseconds in times.items())
    return f"{experiment.teacher.steps} steps of each stage; milliseconds per step: {said}", details


class _Enough(Exception):
    pass


class _Interrupting:
    """Progress that ends a training after ``steps`` steps, as a kill would."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def start(self, task: str, *, total: int, done: int = 0) -> None:
        del task, total, done

    def update(self, done: int, **figures: float) -> None:
        if figures and done >= self._steps:
            raise _Enough

    def note(self, text: str) -> None:
        del text


def resume(settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Train a teacher in one go and interrupted; on a CPU they are the same bits, on a GPU as near as its kernels allow."""
    steps = 6
    base = experiment_of(settings, steps=steps).model_dump(mode="json")
    base["teacher"] |= {"checkpoint_every": 2, "log_every": 1}
    experiment = Experiment.model_validate(base)
    weights = []
    with TemporaryDirectory(dir=settings["scratch"]) as name:
        for stops in (None, 5):
            directory = Path(name) / f"stopped at {stops}"
            if stops is not None:
                try:
                    train_teacher(experiment, directory, progress=_Interrupting(stops))
                except _Enough:
                    pass
                else:
                    raise Failed("the training was not interrupted")
            train_teacher(experiment, directory)
            weights.append(read_weights(directory / "generator.safetensors"))
        whole, continued = weights
        apart = max(float((whole[key] - continued[key]).abs().max()) for key in whole)
    # Adam moves a weight by about its rate in a step, whichever way a gradient near zero points.
    allowed = 0.0 if settings["device"] == "cpu" else 2 * steps * experiment.teacher.learning_rate
    details = {"largest_difference": apart, "allowed": allowed}
    if not apart <= allowed:
        raise Failed(f"weights of the continued training are {apart:.1e} from those of one in one go, {allowed:.1e} are allowed", details)
    return ("the same bits as in one go" if apart == 0 else f"weights are {apart:.1e} from those of one in one go"), details


def real(settings: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Train a teacher and a supernet, evaluate a few subnets, export one and train it further, and score all of them."""
    steps = 4 if settings["tiny"] else max(40, int(40 * settings["minutes"]))
    experiment = experiment_of(settings, steps=steps)
    data, device = build_data(experiment), torch.device(settings["device"])
    took: dict[str, float] = {}
    began = time.monotonic()

    def lap(what: str) -> None:
        nonlocal began
        took[what] = round(time.monotonic() - began, 2)
        began = time.monotonic()

    with TemporaryDirectory(dir=settings["scratch"]) as name:
        directory = Path(name)
        train_teacher(experiment, directory / "teacher")
        lap("teacher")
        train_supernet(experiment, directory / "teacher", directory / "supernet")
        lap("supernet")
        judge = Judge.prepare(experiment.scores, data, directory / "evaluators", seed=experiment.seed, device=device)
        judge.provenance(data.validation)
        lap("judge")
        evaluations = _search(experiment, directory, judge, candidates=3 if settings["tiny"] else 8)
        lap("evaluations")
        failed = [one.reason for one in evaluations if one.state == "failed"]
        if failed:
            raise Failed(f"{len(failed)} of {len(evaluations)} evaluations failed: {failed[0]}", {"seconds": took})
        _export(experiment, directory, evaluation=pick(evaluations, experiment.search.objectives))
        lap("export")
        _finetune(experiment, directory)
        lap("fine-tuning")
        generators = {
            "untrained": build_generator(experiment, data).eval(),
            "teacher": load_teacher(experiment, data, directory / "teacher"),
            "exported": load_package(directory / "export").module,
            "fine-tuned": load_package(directory / "finetune").module,
        }
        scores = {key: judge.score(generator.to(device), data.test).scores for key, generator in generators.items()}
        lap("scoring")
    details = {"seconds": took, "scores": scores, "evaluations": [{**one.scores, **one.costs} for one in evaluations], "steps": steps}
    fid = {key: found["fid"] for key, found in scores.items()}
    if not settings["tiny"] and not fid["teacher"] < fid["untrained"]:
        raise Failed(f"the teacher's FID is {fid['teacher']:.2f} after {steps} steps, {fid['untrained']:.2f} before", details)
    return f"{steps} steps a stage; FID {', '.join(f'{key} {value:.2f}' for key, value in fid.items())}", details


def _search(experiment: Experiment, directory: Path, judge: Judge, *, candidates: int) -> list[Evaluation]:
    """Evaluate some subnets into a ledger, in the search's own way but for Ray and Optuna, which are not needed here."""
    data = build_data(experiment)
    supernet = load_supernet(experiment, data, directory / "supernet")
    space = Space.build(experiment.space, supernet)
    costs, ledger = CostModel(supernet, space), Ledger(directory / "search")
    evaluator = CandidateEvaluator(
        supernet=supernet,
        judge=judge,
        split=data.validation,
        metrics=("fid", "miou"),
        seed=experiment.seed,
        batch_size=experiment.search.known_batch_size,
        calibration=calibration_batches(experiment, data, supernet),
        device=experiment.device,
    )
    draw = random.Random(0)
    for trial, genotype in enumerate([space.largest(), space.smallest(), *(space.sample(draw) for _ in range(candidates - 2))]):
        candidate = space.candidate(genotype)
        outcome = evaluate(evaluator, candidate)
        counted = {key: float(value) for key, value in costs.costs(candidate).items()}
        ledger.append(
            Evaluation(
                trial=trial,
                candidate=candidate,
                genotype=dict(genotype),
                state=outcome.state,
                reason=outcome.reason,
                scores=outcome.scores,
                costs=counted,
                provenance=outcome.provenance,
                seed=outcome.seed,
                versions={"torch": torch.__version__},
                started=outcome.started,
                finished=outcome.finished,
                worker=outcome.worker,
            )
        )
    return ledger.read()


def _export(experiment: Experiment, directory: Path, *, evaluation: Evaluation | None) -> None:
    """Export an evaluation's subnet, or one that uses every dimension, and verify the package on the device."""
    data = build_data(experiment)
    supernet = load_supernet(experiment, data, directory / "supernet")
    space = Space.build(experiment.space, supernet)
    candidate = space.candidate(space.sample(random.Random(0))) if evaluation is None else evaluation.candidate
    subnet = recalibrate(supernet.extract(candidate).to(experiment.device), calibration_batches(experiment, data, supernet))
    write_package(
        directory / "export",
        supernet=supernet,
        candidate=candidate,
        generator=completed(experiment.generator, **given_to_generator(data)),
        input_shape=tuple(example_input(data).shape),
        costs=CostModel(supernet, space).costs(candidate),
        scores={} if evaluation is None else evaluation.scores,
        experiment=experiment.model_dump(mode="json"),
        provenance={} if evaluation is None else evaluation.provenance,
        statistics=statistics_of(subnet),
    )
    images = next(data.validation.batches(2)).input.to(experiment.device)
    verify_package(directory / "export", images, supernet=supernet.to(experiment.device))


def _finetune(experiment: Experiment, directory: Path) -> None:
    discriminator = directory / "supernet" / "discriminator.safetensors"
    finetune(experiment, directory / "teacher", directory / "export", directory / "finetune", discriminator=discriminator)
    verify_package(directory / "finetune", next(build_data(experiment).validation.batches(2)).input)
