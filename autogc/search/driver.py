"""The search itself: Ray Tune evaluates what the study proposes."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from autogc.config.experiment import Experiment, SearchConfig
from autogc.cost import CostModel, TimedCostModel
from autogc.errors import ConfigError
from autogc.progress import Progress, Silent
from autogc.search.batches import fitting
from autogc.search.calibration import calibration_batches
from autogc.search.evaluator import CandidateEvaluator, Evaluator
from autogc.search.feasibility import check_feasible
from autogc.search.ledger import Evaluation, Ledger
from autogc.search.precision import choose
from autogc.search.session import SearchSession
from autogc.search.study import SearchStudy

if TYPE_CHECKING:
    from autogc.data import Dataset
    from autogc.metrics import Judge
    from autogc.supernet import Space, Supernet


def run_search(
    experiment: Experiment,
    *,
    supernet: Supernet,
    space: Space,
    costs: CostModel,
    judge: Judge,
    data: Dataset,
    directory: str | Path,
    address: str | None = None,
    on_evaluation: Callable[[Evaluation], None] | None = None,
    progress: Progress | None = None,
) -> list[Evaluation]:
    """Evaluate candidates until there are ``search.evaluations`` of them, and return every evaluation in order of trial numbers.

    The study (``study.db``) and the ledger are in ``directory``: called again after any kill, the search goes on where it was, with no
    evaluation repeated and none missing; when there is nothing left to do it returns at once, without starting Ray. ``address``
    is a Ray cluster; without one Ray runs on this machine. ``on_evaluation`` is called once an evaluation is on disk.
    Candidates are scored on the first ``search.images`` samples of the validation split.

    Raises InfeasibleError when nothing can meet the constraints, ConfigError for a sampler, objective or resources that can't be had,
    AutogcError when every evaluation fails, KeyboardInterrupt after Ctrl-C; the search can go on after each.
    """
    search = experiment.search
    metrics = experiment.scored
    lacking = [name for name in metrics if name not in judge.metrics]
    if lacking:
        raise ConfigError(f"search: {', '.join(lacking)} can't be given by this judge, which has {', '.join(judge.metrics)}")
    unknown = [name for name in dict.fromkeys((*search.objectives, *search.constraints)) if name in costs.unknown]
    if unknown:
        raise ConfigError(f"search: {', '.join(unknown)} must be known before a candidate is evaluated: give a TimedCostModel as costs")
    wanted = "latency_ms" in (*search.objectives, *search.constraints)
    predicted = costs.predictor.provenance() if wanted and isinstance(costs, TimedCostModel) else None

    def make_evaluator() -> Evaluator:
        # Statistics of the real images, once for all workers.
        judge.provenance(data.validation, images=search.images)
        if not search.gpus_per_trial and torch.cuda.is_available() and progress is not None:
            progress.note("candidates are scored on the CPU; search.gpus_per_trial (0.25, say) has them scored on the GPU")
        # A worker without a GPU can't even receive what lies on one; the judge sees to that itself.
        evaluator = CandidateEvaluator(
            supernet=copy.deepcopy(supernet).to("cpu"),
            judge=judge,
            split=data.validation,
            metrics=judge.sharing(metrics, data.validation, images=search.images),
            seed=experiment.seed,
            images=search.images,
            batch_size=search.known_batch_size,
            calibration=calibration_batches(experiment, data, supernet),
            latency=predicted,
            device="cuda" if search.gpus_per_trial else "cpu",
            threads=max(1, int(search.cpus_per_trial)),
        )
        here = judge.device
        evaluator.precisions = choose(
            search.precision,
            space=space,
            device=evaluator.device,
            scores=lambda candidate, precisions: evaluator.judged(candidate, precisions).scores,
            directory=Path(directory),
            progress=progress or Silent(),
        )

        def seconds(batch_size: int) -> float:
            evaluator.batch_size = batch_size
            start = time.perf_counter()
            evaluator.judged(space.candidate(space.largest()), evaluator.precisions)
            return time.perf_counter() - start

        images = min(search.images or len(data.validation), len(data.validation))
        evaluator.batch_size = fitting(
            search.batch_size, images=images, seconds=seconds, directory=Path(directory), progress=progress or Silent()
        )
        judge.to(here)  # where the other stages use it
        return evaluator

    return search_with(
        make_evaluator,
        name=experiment.name,
        config=search,
        seed=experiment.seed,
        space=space,
        costs=costs,
        directory=directory,
        address=address,
        on_evaluation=on_evaluation,
        progress=progress,
    )


def search_with(
    make_evaluator: Callable[[], Evaluator],
    *,
    name: str,
    config: SearchConfig,
    seed: int,
    space: Space,
    costs: CostModel,
    directory: str | Path,
    address: str | None = None,
    on_evaluation: Callable[[Evaluation], None] | None = None,
    progress: Progress | None = None,
) -> list[Evaluation]:
    """Search with any evaluator, made only if there is something to evaluate. Otherwise as ``run_search``."""
    directory, progress = Path(directory), progress or Silent()
    check_feasible(costs, config.cost_limits)
    ledger = Ledger(directory)
    done = ledger.read()
    progress.start("search", total=config.evaluations, done=min(len(done), config.evaluations))
    if len(done) >= config.evaluations:
        return done
    study = SearchStudy(name=name, config=config, space=space, costs=costs, seed=seed, path=directory / "study.db", evaluations=done)
    session = SearchSession(study=study, ledger=ledger, config=config, progress=progress, on_evaluation=on_evaluation)
    try:
        if session.has_next:
            from autogc.search.cluster import evaluate_all

            evaluate_all(session, make_evaluator(), config=config, seed=seed, directory=directory, address=address, progress=progress)
    finally:
        study.close()
    progress.note(_summary(session, config))
    return ledger.read()


def _summary(session: SearchSession, config: SearchConfig) -> str:
    study, evaluations = session.study, session.evaluations
    failed, screened = (sum(one.state == state for one in evaluations) for state in ("failed", "screened"))
    parts = [f"{len(evaluations)} candidates evaluated" + (f", {failed} of which failed" if failed else "")]
    if screened:
        parts.append(f"{screened} of them were not good enough on the first images to be scored on all")
    if study.infeasible or study.duplicates:
        parts.append(f"{study.infeasible} infeasible and {study.duplicates} repeated proposals cost no evaluation")
    if study.exhausted:
        parts.append(f"no other candidate meets the constraints, so there are fewer than the {config.evaluations} evaluations asked for")
    return "; ".join(parts)
