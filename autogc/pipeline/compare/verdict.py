"""The verdict in words: where the chosen subnet is better than what it is compared with, and, as plainly, where it is not."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from autogc.pipeline.compare.comparison import OTHERS, Outcome, Ranking
from autogc.tracking.quantities import QUANTITIES, shown
from autogc.tracking.table import SubnetRow

# After the objectives these are told first.
FIRST = ("miou", "psnr", "ssim", "lpips")
# More of it is better up to what real images have, and worse beyond: no score to win by.
UNDECIDED = ("vol",)


def verdict(outcomes: Sequence[Outcome]) -> list[str]:
    """Return the sentences, in the order of the table: against each of the others, fine-tuning, the ranking."""
    said = []
    for kind, other in OTHERS.items():
        pairs = [(one.after, row) for one in outcomes for row in one.others.get(kind, {}).values()]
        said += _against(pairs, other, objectives=outcomes[0].objectives, unit=_unit(outcomes, kind))
    pairs = [(one.after, one.before) for one in outcomes]
    said += _fine_tuning(pairs, objectives=outcomes[0].objectives)
    for one in outcomes:
        if one.ranking is not None:
            said += [(f"{one.run}: " if len(outcomes) > 1 else "") + sentence for sentence in ranked(one.ranking)]
    return said


def better(score: str, mine: float, theirs: float) -> bool:
    """Return whether ``mine`` is the better value of a score; of equal ones neither is."""
    return mine > theirs if QUANTITIES[score].higher_is_better else mine < theirs


def decided(rows: Sequence[SubnetRow], objectives: Sequence[str]) -> list[str]:
    """Return the scores that all rows have and that can be won by: the objectives first, then ``FIRST``, then the rest."""
    known = [score for score in QUANTITIES if all(score in row.scores for row in rows) and score not in UNDECIDED]
    return [score for score in dict.fromkeys((*objectives, *FIRST, *known)) if score in known]


def listed(names: Sequence[str]) -> str:
    """Return ``FID``, ``FID and mIoU``, ``FID, mIoU and PSNR``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _unit(outcomes: Sequence[Outcome], kind: str) -> str:
    """What is counted: a run's seeds, runs, or trainings where several runs have several seeds each."""
    if len(outcomes) == 1:
        return "seed"
    return "run" if all(len(one.others.get(kind, {})) <= 1 for one in outcomes) else "training"


def _against(pairs: Sequence[tuple[SubnetRow, SubnetRow]], other: str, *, objectives: Sequence[str], unit: str) -> list[str]:
    if not pairs:
        return []
    scores = decided([row for pair in pairs for row in pair], objectives)
    wins = {score: sum(better(score, mine.scores[score], theirs.scores[score]) for mine, theirs in pairs) for score in scores}
    equal = [score for score in scores if all(mine.scores[score] == theirs.scores[score] for mine, theirs in pairs)]
    of = f"of {len(pairs)} {unit}{'' if len(pairs) == 1 else 's'}"
    said = []
    if won := [QUANTITIES[score].title for score in scores if wins[score] == len(pairs)]:
        said.append(f"The chosen subnet beats {other} in {len(pairs)} {of} on {_ended(listed(won))}")
    if some := [score for score in scores if 0 < wins[score] < len(pairs)]:
        each = listed([f"{_means(score, pairs)} on average, better in {wins[score]} {of})" for score in some])
        said.append(f"The chosen subnet does NOT always beat {other} on {each}.")
    if lost := [score for score in scores if not wins[score] and score not in equal]:
        said.append(
            f"The chosen subnet does NOT beat {other}: better in 0 {of} on {listed([_means(score, pairs) + ')' for score in lost])}."
        )
    if equal:
        said.append(f"The chosen subnet equals {other} on {_ended(listed([QUANTITIES[score].title for score in equal]))}")
    return said


def _fine_tuning(pairs: Sequence[tuple[SubnetRow, SubnetRow]], *, objectives: Sequence[str]) -> list[str]:
    scores = decided([row for pair in pairs for row in pair], objectives)
    changed = [score for score in scores if any(after.scores[score] != before.scores[score] for after, before in pairs)]
    worse = [score for score in changed if not all(better(score, after.scores[score], before.scores[score]) for after, before in pairs)]
    said = []
    if improved := [QUANTITIES[score].title for score in changed if score not in worse]:
        said.append(f"Fine-tuning made the chosen subnet better than it was in the supernet on {_ended(listed(improved))}")
    if worse:
        said.append(f"Fine-tuning did NOT make it better on {listed([_means(score, pairs) + ' before)' for score in worse])}.")
    return said


def _means(score: str, pairs: Sequence[tuple[SubnetRow, SubnetRow]]) -> str:
    """Return ``FID (0.79 against 0.45``, means where there are several, its bracket still open."""
    mine, theirs = (shown(score, fmean(pair[place].scores[score] for pair in pairs)) for place in (0, 1))
    return f"{QUANTITIES[score].title} ({mine} against {theirs}"


def ranked(ranking: Ranking) -> list[str]:
    """Return what the ranking comes to: tau of each score, and how far the cheapest subnets are from a training of their own."""
    trained = f"{'distilled alone' if ranking.way == 'alone' else 'fine-tuned'} for {ranking.steps} steps"
    cheap = sum(one.quarter for one in ranking.members)
    said = []
    for score in ranking.scores:
        overall, quarter = ranking.tau(score), ranking.tau(score, cheapest_quarter=True)
        title = QUANTITIES[score].title
        said.append(
            f"Ranking by {title} in the supernet against the same candidates {trained}: Kendall's tau {_tau(overall)} over "
            f"{len(ranking.members)} candidates, {_tau(quarter)} over the {cheap} of the cheapest quarter."
        )
        gaps = ranking.behind(score, higher_is_better=QUANTITIES[score].higher_is_better)
        if gaps and ranking.way == "alone":
            said.append(
                f"Subnets of the cheapest tenth ({len(gaps)} of these candidates) are in the supernet {_gap(score, fmean(gaps))} in "
                f"{title} on average than the same architecture {trained}; the one that loses most is {_gap(score, max(gaps))}."
            )
    return said


def _ended(text: str) -> str:
    """Return a sentence with its full stop: some titles end with one."""
    return text if text.endswith(".") else f"{text}."


def _tau(value: float | None) -> str:
    return "(undefined)" if value is None else f"{value:.2f}"


def _gap(score: str, value: float) -> str:
    return f"{shown(score, abs(value))} {'worse' if value > 0 else 'better'}"
