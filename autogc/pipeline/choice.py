"""The choice of a run: before fine-tuning, and once more among what fine-tuning made of the finalists. On validation images alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from autogc.config.pick import Pick
from autogc.export import load_package
from autogc.files import sha256_file, write_json
from autogc.pipeline.pictures import teacher_on_validation
from autogc.pipeline.score import generating
from autogc.search import Evaluation, choose
from autogc.search.choice import Choice, limits_of

if TYPE_CHECKING:
    from autogc.pipeline.run import Run


def considered(run: Run, pick: Pick) -> dict[str, Any]:
    """Return what a choice goes by beside the evaluations, as ``search.choose`` takes it. The teacher is scored only where that matters."""
    teacher = teacher_on_validation(run).values() if isinstance(pick, dict) else {}
    return {"teacher": teacher, "constraints": run.experiment.search.constraints}


def wanted_limits(run: Run) -> dict[str, float]:
    """Return the limits on scores that the choice goes by, in numbers; none where it goes by something else.

    Raises AutogcError where they say nothing beside this teacher: before a search, not after it.
    """
    pick = run.experiment.export.pick
    return limits_of(pick, teacher_on_validation(run).values()) if isinstance(pick, dict) else {}


def told_of(choice: Choice) -> dict[str, Any]:
    """Return what a result says of a choice, JSON-ready: why, the limits in numbers, and by how much those that are missed are missed."""
    return {"why": choice.why, "limits": choice.limits, "misses": choice.misses}


def chosen_afterwards(run: Run) -> bool:
    """Return whether the choice is made, or made sure of, with the scores of fine-tuned subnets."""
    return isinstance(run.experiment.export.pick, dict) or len(run.candidates) > 1


def choose_finetuned(run: Run) -> None:
    """Score the fine-tuned finalists on the images that the search scored on, choose among them, and write ``finetune/result.json``."""
    pick, search = run.experiment.export.pick, run.experiment.search
    known = {one.candidate.hash: one for one in run.evaluations}
    before = [known[name] for name in run.candidates]
    run.progress.start("finetune: scoring the finalists on the validation split", total=len(before))
    after = []
    for place, evaluation in enumerate(before, start=1):
        after.append(_scored(run, evaluation))
        run.progress.update(place)
    choice = choose(after, search.objectives, pick, **considered(run, pick))
    run.progress.note(f"finetune: {choice.why}")
    pairs = zip(before, after, strict=True)
    finalists = [
        {"candidate": one.candidate.hash, "before": dict(one.scores), "after": dict(tuned.scores), "costs": dict(one.costs)}
        for one, tuned in pairs
    ]
    told = {"candidate": choice.evaluation.candidate.hash, "finalists": finalists, **told_of(choice)}
    write_json(run.stage_directory("finetune") / "result.json", {**made_from(run), **told})


def made_from(run: Run) -> dict[str, Any]:
    """Return what that result was made from: of another pick, other finalists or other weights it would be another."""
    directory = run.stage_directory("finetune")
    manifests = [sha256_file(directory / name / "manifest.json") for name in run.candidates]
    return {"pick": run.experiment.export.pick, "candidates": list(run.candidates), "manifests": manifests}


def choice_notes(run: Run) -> tuple[str, ...]:
    """Return the sentences that say how the run's subnet was chosen, and the truth about fine-tuning."""
    final, exported = run.result("finetune"), run.result("export")
    current = final is not None and all(final[name] == value for name, value in made_from(run).items())
    told: Mapping[str, Any] = final if current else exported
    said = []
    if "why" in told:
        said.append(f"Chosen{' after fine-tuning' if current else ''}, on the validation split: {told['why']}.")
    if current and len(final["finalists"]) > 1:
        for one in final["finalists"]:
            scores = [f"{name} {value:.4g} -> {one['after'][name]:.4g}" for name, value in one["before"].items() if name in one["after"]]
            said.append(f"Finalist {one['candidate']}, before and after fine-tuning on the validation split: {', '.join(scores)}.")
    for name in run.candidates:
        said += _validation_notes(name, run.result(f"finetune/{name}"))
    return tuple(said)


def _validation_notes(name: str, result: Mapping[str, Any] | None) -> list[str]:
    found = (result or {}).get("validation")
    if found is None:
        return []
    scores, kept = dict(map(tuple, found["scores"])), found["kept_step"]
    misses = dict(map(tuple, found.get("misses", [])))
    if kept == 0:
        start = f"{found['objective']} {scores[0]:.4g} on the validation split"
        return [f"Fine-tuning did not improve {name}: kept step 0, what it started from ({start})."]
    came = f"{found['objective']} {scores[0]:.4g} -> {scores[kept]:.4g} on the validation split"
    if misses:
        came += f"; the largest miss of a limit {misses[0]:.1%} -> {misses[kept]:.1%}"
    return [f"Fine-tuning of {name} kept step {kept} of {max(scores)} ({came})."]


def _scored(run: Run, evaluation: Evaluation) -> Evaluation:
    """Return the evaluation with the scores of its fine-tuned subnet."""
    package = load_package(run.stage_directory("finetune") / evaluation.candidate.hash, source=run.experiment.generator.source)
    judged = run.judge.score(
        generating(package.module, run.device),
        run.data.validation,
        metrics=tuple(evaluation.scores),
        images=run.experiment.search.images,
    )
    return replace(evaluation, scores=judged.scores)
