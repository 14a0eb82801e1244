"""Does the method deserve its name? Two questions, asked of a finished run:

1. One subnet, fine-tuned from the supernet, against the same architecture trained from scratch for as many steps,
   and against a uniformly narrower generator of as many MACs, dense and uncompressed, trained for as many steps.
2. Kendall's tau between candidates' scores in the supernet and after fine-tuning each of them.

    python scripts/results/method_check.py runs/camvid_pix2pix --candidates 8 --steps 200

Everything is kept in RUN/method_check and continued where it was cut off; the tables are in RUN/method_check/tables.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from scipy.stats import kendalltau

from autogc.cli.display import display
from autogc.config.experiment import Component, Experiment, Optimization
from autogc.cost import CostModel
from autogc.export import load_package
from autogc.files import read_json, write_json, write_text
from autogc.pipeline import Run, export_subnet
from autogc.pipeline.score import generating
from autogc.search import Evaluation
from autogc.supernet import Candidate, Supernet
from autogc.training import finetune, load_teacher, train_from_scratch, train_other_generator
from autogc.training.stage import build_generator, example_input


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the directory of a finished run")
    parser.add_argument("--candidates", type=int, default=8, help="how many candidates the ranking is checked on (at least 8)")
    parser.add_argument("--steps", type=int, default=200, help="fine-tuning steps of each of those candidates")
    arguments = parser.parse_args()
    with display(Console(stderr=True)) as progress, Run.reopen(arguments.run, progress=progress) as run:
        compared = compare(run)
        ranked = rank(run, count=arguments.candidates, steps=arguments.steps)
    text = tables(run, compared, ranked, steps=arguments.steps)
    write_text(arguments.run / "method_check" / "tables.md", text)
    print(text)


def compare(run: Run) -> dict[str, dict[str, float]]:
    """Return the test scores of the teacher, the chosen subnet fine-tuned and from scratch, and the uniform generator."""
    directory = run.directory / "method_check"
    package = load_package(run.exported)
    scratch = directory / "scratch"
    train_from_scratch(run.experiment, run.exported, scratch, optimization=run.experiment.finetune, progress=run.progress)
    other = uniform_generator(run, package.costs["macs"])
    uniform = directory / "uniform"
    train_other_generator(run.experiment, other, uniform, optimization=run.experiment.finetune, progress=run.progress)
    narrow = run.experiment.model_copy(update={"generator": other})
    subnet = {name: package.costs[name] for name in ("macs", "params", "storage_bytes")}
    teacher = run.costs.costs(Candidate({}))
    return {
        "teacher": {**scored(run, "teacher", run.teacher), **teacher},
        "subnet, as in the supernet": {**scored(run, "supernet", package.module), **subnet},
        "subnet, fine-tuned from the supernet": {**scored(run, "finetuned", load_package(run.finetuned).module), **subnet},
        "same architecture, from scratch": {**scored(run, "scratch", load_package(scratch).module), **subnet},
        f"uniform, base_channels {other.args['base_channels']}, from scratch": {
            **scored(run, "uniform", load_teacher(narrow, run.data, uniform)),
            **plain_costs(narrow, run),
        },
    }


def uniform_generator(run: Run, macs: float) -> Component:
    """Return the run's generator, every layer scaled alike, with the number of MACs nearest to ``macs``."""
    generator = run.experiment.generator
    counts = {}
    for base_channels in range(1, int(generator.args["base_channels"]) + 1):
        other = generator.model_copy(update={"args": {**generator.args, "base_channels": base_channels}})
        counts[base_channels] = plain_costs(run.experiment.model_copy(update={"generator": other}), run)["macs"]
    nearest = min(counts, key=lambda base_channels: abs(counts[base_channels] - macs))
    return generator.model_copy(update={"args": {**generator.args, "base_channels": nearest}})


def plain_costs(experiment: Experiment, run: Run) -> dict[str, int]:
    """Return the costs of a generator as it is, uncompressed."""
    supernet = Supernet.convert(build_generator(experiment, run.data), example_input(run.data), verify=False)
    return CostModel(supernet).costs(Candidate({}))


def rank(run: Run, *, count: int, steps: int) -> list[dict[str, float | str]]:
    """Fine-tune ``count`` candidates spread over the search's scores; return both scores of each, on the validation split."""
    directory = run.directory / "method_check"
    optimization: Optimization = run.experiment.finetune.model_copy(update={"steps": steps})
    experiment = run.experiment.model_copy(update={"finetune": optimization})
    rows: list[dict[str, float | str]] = []
    for evaluation in spread_by_score(run.evaluations, count):
        name = evaluation.candidate.hash
        package = directory / "candidates" / name
        if not (package / "manifest.json").is_file():
            export_subnet(run, pick=name, directory=package)
        tuned = directory / "tuned" / name
        finetune(
            experiment,
            run.stage_directory("teacher"),
            package,
            tuned,
            discriminator=run.stage_directory("supernet") / "discriminator.safetensors",
            progress=run.progress,
        )
        after = scored(run, f"tuned-{name}", load_package(tuned).module, split="validation")
        rows.append(
            {"candidate": name, "macs": evaluation.costs["macs"]}
            | {f"{score} in the supernet": value for score, value in evaluation.scores.items()}
            | {f"{score} fine-tuned": value for score, value in after.items()}
        )
    return rows


def spread_by_score(evaluations: Sequence[Evaluation], count: int) -> list[Evaluation]:
    """Return ``count`` completed evaluations at even steps of their rank in FID: good ones, bad ones, those between."""
    ordered = sorted((one for one in evaluations if one.state == "complete"), key=lambda one: one.scores["fid"])
    places = np.linspace(0, len(ordered) - 1, count).round().astype(int)
    return [ordered[place] for place in dict.fromkeys(places.tolist())]


def scored(run: Run, name: str, module: object, *, split: str = "test") -> dict[str, float]:
    """Return a generator's scores on all images of a split; kept on disk."""
    path = run.directory / "method_check" / "scores" / f"{name}-{split}.json"
    if not path.is_file():
        generate: Callable = generating(module, run.device)  # type: ignore[arg-type]
        write_json(path, run.judge.score(generate, getattr(run.data, split), metrics=run.judge.metrics))
    return read_json(path)


def tables(run: Run, compared: dict[str, dict[str, float]], ranked: list[dict[str, float | str]], *, steps: int) -> str:
    """Return both tables as Markdown."""
    scores = list(run.judge.metrics)
    whole = compared["teacher"]["macs"]
    lines = [
        f"| generator | {' | '.join(scores)} | MACs | fewer than the teacher's | parameters | bytes |",
        "|---" * (5 + len(scores)) + "|",
    ]
    for name, row in compared.items():
        values = " | ".join(f"{row[score]:.3f}" for score in scores)
        lines.append(
            f"| {name} | {values} | {row['macs'] / 1e6:.1f} M | {whole / row['macs']:.1f}x | {row['params']:,} | {row['storage_bytes']:,} |"
        )
    lines += ["", f"Test split; each student was trained for {run.experiment.finetune.steps} steps.", ""]
    columns = list(ranked[0])
    lines += ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for one in ranked:
        cells = [f"{value:.3f}" if isinstance(value, float) and value < 1e4 else str(value) for value in one.values()]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    for score in (name for name in scores if f"{name} in the supernet" in columns):
        tau = kendalltau([one[f"{score} in the supernet"] for one in ranked], [one[f"{score} fine-tuned"] for one in ranked])
        lines.append(
            f"Kendall's tau of {score} over {len(ranked)} candidates, {steps} fine-tuning steps each, validation split: "
            f"{tau.statistic:.2f} (p = {tau.pvalue:.3f})."
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
