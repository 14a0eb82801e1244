"""In what precision candidates are evaluated: bfloat16 where the machine is quicker in it and scores stay what they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from autogc.errors import AutogcError
from autogc.files import read_json, write_json
from autogc.inference import Precision, quick_in_bfloat16
from autogc.progress import Progress

if TYPE_CHECKING:
    from autogc.supernet.candidate import Candidate
    from autogc.supernet.space import Space

# By how much a score may move: FID by less than 0.1, and every score by less than a hundredth of itself.
FID_MOVES = 0.1
SHARE_MOVES = 0.01
RECORD = "precision.json"


@dataclass(frozen=True)
class Precisions:
    """What a subnet computes in, and the networks that judge its pictures. ``moved`` is what was measured of that, for the record: by
    choice the probes' scores before and after, and the seconds of both."""

    generator: Precision = "float32"
    judge: Precision = "float32"
    moved: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"generator {self.generator}, networks that judge {self.judge}"


# From the quickest to what nothing can be said against.
CHOICES = (Precisions("bfloat16", "bfloat16"), Precisions("float32", "bfloat16"))

# Scores of a candidate in given precisions.
Scores = Callable[["Candidate", Precisions], dict[str, float]]


def choose(
    asked: str,
    *,
    device: torch.device,
    space: Space,
    scores: Scores,
    directory: Path,
    progress: Progress,
    now: Callable[[], float] = time.perf_counter,
) -> Precisions:
    """Return what a search evaluates in.

    ``auto`` measures it once, by the scores of the largest and the smallest subnet and the seconds (``now``) that they take, where the
    device says that it multiplies bfloat16 itself. What it found is kept in ``directory``, so that a search that goes on goes on in the
    same. Activations of few bits are computed in float32 whatever is asked of ``auto``: their levels are no numbers of bfloat16.
    """
    if asked == "float32":
        return Precisions()
    if asked == "bfloat16":
        return CHOICES[0]
    path = directory / RECORD
    if path.is_file():
        return Precisions(**read_json(path))
    found = Precisions()
    if quick_in_bfloat16(device):
        effects = (effect for decision in space.decisions for value in decision.values for effect in decision.effects(value))
        quantised = any(dimension == "activation_bits" for dimension, _, _ in effects)
        choices = CHOICES[1:] if quantised else CHOICES
        found = _steady(choices, [space.candidate(space.smallest()), space.candidate(space.largest())], scores, now)
    write_json(path, asdict(found))
    progress.note(f"candidates are evaluated in: {found} (search.precision: auto; {path} has what was measured)")
    return found


def _steady(choices: Sequence[Precisions], probes: Sequence[Candidate], scores: Scores, now: Callable[[], float]) -> Precisions:
    """Return the first of ``choices`` that is quicker and moves no score of the probes by much; float32, with what was measured, where none
    does."""
    _scored(probes[0], Precisions(), scores, now)  # what is made at first use is nobody's time
    exact = [_scored(probe, Precisions(), scores, now) for probe in probes]
    # A subnet that cannot be judged at all, because it makes NaN, tells nothing of precisions.
    known = [(probe, before, seconds) for probe, (before, seconds) in zip(probes, exact, strict=True) if before is not None]
    moved: dict[str, Any] = {}
    for choice in choices if known else ():
        took = 0.0
        pairs = []
        for probe, before, _ in known:
            after, seconds = _scored(probe, choice, scores, now)
            pairs.append((before, after))
            took += seconds
        whole = sum(seconds for _, _, seconds in known)
        moved[str(choice)] = {
            "scores": [after and {name: [before[name], after[name]] for name in before} for before, after in pairs],
            "seconds": [round(whole, 3), round(took, 3)],
        }
        same = all(after is not None and all(_same(name, before[name], after[name]) for name in before) for before, after in pairs)
        if same and took < whole:
            return Precisions(choice.generator, choice.judge, moved)
    return Precisions(moved=moved)


def _scored(probe: Candidate, precisions: Precisions, scores: Scores, now: Callable[[], float]) -> tuple[dict[str, float] | None, float]:
    """Return a probe's scores and the seconds that they took; no scores for what would be a failed evaluation: pictures of NaN, an operator
    without bfloat16."""
    start = now()
    try:
        return scores(probe, precisions), now() - start
    except (AutogcError, RuntimeError, ArithmeticError):
        return None, now() - start


def _same(name: str, before: float, after: float) -> bool:
    move = abs(after - before)
    return move <= SHARE_MOVES * abs(before) and (name != "fid" or move < FID_MOVES)
