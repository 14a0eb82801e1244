"""Whether subnets are any better than what costs nothing, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autogc.config.experiment import LossWeights
from autogc.training.watch.subnets import SMALLEST
from autogc.training.watch.trivial import CONSTANT

# How far above the best trivial answer a subnet has to be that imitates its teacher pixel by pixel.
MARGIN_DB = 0.3
# A subnet whose images differ from input to input by this share of what the teacher's do answers its inputs, if in a way of its own.
LEAST_VARIATION = 0.25


@dataclass(frozen=True)
class Rule:
    """What makes a subnet trivial: a PSNR to the teacher's images that is not ``margin_db`` above that of the best trivial answer.

    ``constant_only``: of the trivial answers only the mean image counts. ``least_variation``: a subnet that varies at least that much is
    not trivial, however far its images are from the teacher's. ``reason`` says why it is not the strictest rule; empty where it is.
    """

    margin_db: float = MARGIN_DB
    constant_only: bool = False
    least_variation: float | None = None
    reason: str = ""


def rule_of(kind: str, losses: LossWeights, *, has_critic: bool) -> Rule:
    """Return the rule for students on data of ``kind`` that learn with ``losses``; ``has_critic`` where a discriminator teaches them too.

    Where a discriminator has a say and no truth ties an input to one image, a subnet may make another image that is as good: it has to be
    above the mean image, no more. Where nothing pulls at single pixels (no reconstruction term), or the input is noise, images that answer
    their inputs are enough.
    """
    imitates = losses.reconstruction_weight > 0
    if imitates and (kind == "paired" or not has_critic):
        return Rule()
    if imitates and kind != "unconditional":
        return Rule(0.0, constant_only=True, reason="a subnet may make another image that is as good as the teacher's")
    why = "the input is noise" if kind == "unconditional" else "no term of the losses compares pixels"
    return Rule(0.0, constant_only=True, least_variation=LEAST_VARIATION, reason=f"{why}, so that a subnet may make another image")


@dataclass(frozen=True)
class Verdict:
    """What the figures of one look say. ``best`` is the trivial answer that counted most, with its dB; ``trivial`` names subnets."""

    best: tuple[str, float]
    trivial: tuple[str, ...]
    subnets: int

    @property
    def collapsed(self) -> bool:
        """Whether most of the subnets are no better than the trivial answer (of five, exactly where the median is not)."""
        return 2 * len(self.trivial) > self.subnets

    @property
    def corner(self) -> bool:
        """Whether the smallest subnet is no better, though most are."""
        return not self.collapsed and SMALLEST in self.trivial


def judged(rule: Rule, subnets: Mapping[str, float], trivial: Mapping[str, float], variation: Mapping[str, float]) -> Verdict:
    """Return the verdict on subnets by name, given the PSNR in dB of each and of each trivial answer to the teacher's images, and how much
    each subnet's images vary beside the teacher's."""
    best = best_trivial(rule, trivial)
    names = tuple(
        name
        for name, found in subnets.items()
        if found < trivial[best] + rule.margin_db and (rule.least_variation is None or variation[name] < rule.least_variation)
    )
    return Verdict((best, trivial[best]), names, len(subnets))


def best_trivial(rule: Rule, trivial: Mapping[str, float]) -> str:
    """Return the name of the best trivial answer among those that count."""
    counted = {name: value for name, value in trivial.items() if not rule.constant_only or name in CONSTANT}
    return max(counted, key=lambda name: counted[name])
