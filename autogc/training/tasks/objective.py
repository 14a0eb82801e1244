"""What a generator and a discriminator are trained for: the parts that all tasks share, each of which a task may replace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from autogc.config.experiment import LossWeights, StudentsConfig
from autogc.data import Batch, Dataset
from autogc.losses import ADVERSARIAL, PERCEPTUAL, feature_distillation, feature_matching, gradient_penalty, over_scales, reconstruction
from autogc.models import Verdict, as_verdict

if TYPE_CHECKING:
    from autogc.training.teaching import Teaching

# Runs the generator that is trained: an input to a picture (N, C, H, W) in [-1, 1] and its distilled features.
Run = Callable[[Tensor], tuple[Tensor, tuple[Tensor, ...]]]
# A fixed teacher: an input to its picture and its features.
Teacher = Callable[[Tensor], tuple[Tensor, list[Tensor]]]
# Named parts of a loss, each with its weight.
Terms = dict[str, tuple[float, Tensor]]


@dataclass(frozen=True)
class Situation:
    """One batch as a step sees it.

    ``input`` is what the generator is given, ``real`` real pictures. ``reference`` is what the generated picture should be like, the ground
    truth or the teacher's, or None where nothing says it. ``features`` are the teacher's. ``domains`` and ``wanted`` (N, D) are what
    the real pictures belong to and what the input asks for. ``taught`` is the teacher's picture of the input, where there is a teacher.
    """

    input: Tensor
    real: Tensor
    reference: Tensor | None = None
    taught: Tensor | None = None
    features: tuple[Tensor, ...] = ()
    domains: Tensor | None = None
    wanted: Tensor | None = None

    def cast(self, dtype: torch.dtype) -> Situation:
        """Return it with what networks see in another floating-point type."""
        return replace(self, input=self.input.to(dtype), real=self.real.to(dtype))


class Generated(NamedTuple):
    """What a generator made of a situation: the picture, its features, and what else the task asks for.

    ``features`` are the distilled ones mapped to the teacher's channels and, after all of these, the same as the student has them.
    """

    image: Tensor
    features: tuple[Tensor, ...] = ()
    others: Mapping[str, Tensor] = {}

    def each(self, change: Callable[[Tensor], Tensor]) -> Generated:
        """Return it with every tensor changed."""
        others = {name: change(value) for name, value in self.others.items()}
        return Generated(change(self.image), tuple(change(feature) for feature in self.features), others)


class Critics(Protocol):
    """The discriminator, and those beside it that a task trains too."""

    net: nn.Module
    companions: nn.ModuleDict


class Objective:
    """Trains for GAN Compression's terms (equations 1 to 4), as far as a situation has what they need.

    ``losses`` names the keys of ``LossWeights`` that it uses, ``companions`` the networks beside generator and discriminator that it
    trains,
    each a generator and a discriminator of its own.
    """

    losses: ClassVar[frozenset[str]] = frozenset(
        {
            "adversarial",
            "adversarial_weight",
            "critic_steps",
            "reconstruction",
            "reconstruction_weight",
            "perceptual",
            "perceptual_weight",
            "distillation_weight",
            "distillation_layers",
            "terms",
            "students",
        }
    )
    companions: ClassVar[tuple[str, ...]] = ()
    # What a student's picture is compared with; a teacher's objective has the default, which changes nothing.
    students: ClassVar[StudentsConfig] = StudentsConfig()

    def __init__(self, weights: LossWeights, data: Dataset) -> None:
        self.weights = weights
        self.adversarial = ADVERSARIAL.build(weights.adversarial.name, weights.adversarial.args)
        self.perceptual: nn.Module | None = None
        if weights.perceptual is not None and weights.perceptual_weight:
            self.perceptual = PERCEPTUAL.build(weights.perceptual.name, weights.perceptual.args).eval().requires_grad_(False)
        # The distillation terms of a student's objective, where the experiment has any.
        self.teaching: Teaching | None = None

    def to(self, device: torch.device) -> Objective:
        """Move the fixed networks that it measures with to ``device``."""
        if self.perceptual is not None:
            self.perceptual.to(device)
        if self.teaching is not None:
            self.teaching.to(device)
        return self

    @classmethod
    def critic_channels(cls, data: Dataset) -> int:
        """Return how many channels the discriminator sees."""
        return data.target_channels

    def pools(self, data: Dataset) -> dict[str, tuple[int, ...]]:
        """Return the shape of each history of pictures that the discriminator's side keeps."""
        return {}

    @classmethod
    def asks_critic(cls, weights: LossWeights) -> bool:
        """Return whether any term asks the discriminator, with these weights; without one, none is built."""
        return bool(weights.adversarial_weight or weights.feature_matching_weight)

    @property
    def needs_critic(self) -> bool:
        """Whether any term asks the discriminator."""
        return self.asks_critic(self.weights) or (self.teaching is not None and self.teaching.asks_current)

    @torch.no_grad()
    def prepare(self, batch: Batch, teacher: Teacher | None) -> Situation:
        """Return what a step knows of a batch. What is asked of the generator (noise, domains) is drawn here."""
        raise NotImplementedError

    def produce(self, run: Run, situation: Situation, companions: nn.ModuleDict) -> Generated:
        """Run the generator as often as the task needs."""
        image, features = run(situation.input)
        return Generated(image, features)

    def seen(self, situation: Situation, image: Tensor) -> Tensor:
        """Return what the discriminator sees of a picture."""
        return image

    def criticise(self, critics: Critics, situation: Situation, generated: Sequence[Generated]) -> Terms:
        """Return what the discriminator minimises, given pictures without gradients."""
        fakes = torch.cat([self.seen(situation, one.image) for one in generated])
        return self._criticism(critics.net, situation, self.seen(situation, situation.real), fakes)[0]

    def _criticism(self, net: nn.Module, situation: Situation, real: Tensor, fakes: Tensor) -> tuple[Terms, Verdict]:
        """Return the adversarial terms of one discriminator, and its verdict on the real pictures."""
        of_real, of_fake = verdict(net, real), verdict(net, fakes)
        terms: Terms = {"discriminator": (1.0, over_scales(self.adversarial.discriminator, of_real, of_fake))}
        if self.adversarial.penalty_weight:
            whole = real.repeat(len(fakes) // len(real), *(1 for _ in real.shape[1:]))
            penalty = gradient_penalty(lambda x: torch.cat([part.flatten(1) for part in verdict(net, x).logits], dim=1), whole, fakes)
            terms["penalty"] = (self.adversarial.penalty_weight, penalty)
        return terms, of_real

    def judge(self, critics: Critics | None, situation: Situation, one: Generated) -> Terms:
        """Return what the generator minimises for one of its results; the discriminator is fixed. There is one where ``needs_critic``."""
        terms: Terms = {}
        weights = self.weights
        if self.needs_critic:
            assert critics is not None
            terms |= self._judgement(critics, situation, one)
        for reference, share, suffix in self._references(situation):
            if weights.reconstruction_weight:
                found = reconstruction(one.image, reference, kind=weights.reconstruction)
                terms[f"reconstruction{suffix}"] = (share * weights.reconstruction_weight, found)
            if self.perceptual is not None:
                terms[f"perceptual{suffix}"] = (share * weights.perceptual_weight, self.perceptual(one.image, reference))
        if situation.features:
            distillation = feature_distillation(one.features[: len(situation.features)], situation.features)
            terms["distillation"] = (weights.distillation_weight, distillation)
        if self.teaching is not None:
            terms |= self.teaching.judge(self, critics, situation, one)
        return terms

    def _references(self, situation: Situation) -> list[tuple[Tensor, float, str]]:
        """Return what the picture should be like: each with its weight, and the end of its terms' names."""
        found = []
        if situation.reference is not None:
            share = {"truth": self.students.truth_weight, "both": self.students.truth_weight, "teacher": self.students.teacher_weight}
            found.append((situation.reference, share.get(self.students.target or "", 1.0), ""))
        if situation.taught is not None and self.students.target == "both":
            found.append((situation.taught, self.students.teacher_weight, "_teacher"))
        return found

    def _judgement(self, critics: Critics, situation: Situation, one: Generated) -> Terms:
        weights = self.weights
        of_fake = verdict(critics.net, self.seen(situation, one.image))
        terms: Terms = {"adversarial": (weights.adversarial_weight, over_scales(self.adversarial.generator, of_fake))}
        if weights.feature_matching_weight:
            with torch.no_grad():
                of_real = verdict(critics.net, self.seen(situation, situation.real))
            terms["feature_matching"] = (weights.feature_matching_weight, feature_matching(of_fake.features, of_real.features))
        return terms


def verdict(net: nn.Module, pictures: Tensor) -> Verdict:
    """Return a discriminator's verdict in float32, whatever type it computes in."""
    found = as_verdict(net(pictures.to(next(net.parameters()).dtype)))
    features = tuple(tuple(feature.float() for feature in scale) for scale in found.features)
    return Verdict(tuple(part.float() for part in found.logits), features, None if found.classes is None else found.classes.float())
