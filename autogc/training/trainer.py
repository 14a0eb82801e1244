"""One optimizer step of a GAN, whatever the generator is (a teacher, a supernet, a subnet) and whatever it is trained for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from autogc.data import Batch
from autogc.training.average import WeightAverage
from autogc.training.engine import Engine
from autogc.training.tasks import Generated, Objective, Situation, Teacher
from autogc.training.tasks.objective import Terms
from autogc.training.tasks.pool import add_pool

Figures = dict[str, Tensor]
Choose = Callable[[int], Sequence[Any]]


class GeneratorSide(nn.Module):
    """What the generator's engine trains. A subclass says how the generator is run; the objective, on what and how often.

    ``companions`` are the other generators that the objective trains.
    """

    def __init__(self, objective: Objective, companions: dict[str, nn.Module] | None = None) -> None:
        super().__init__()
        self._objective = objective
        self.companions = nn.ModuleDict(companions or {})

    def run(self, x: Tensor, candidate: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the picture of ``x`` and its features: mapped to the teacher's channels and, after those, as they are."""
        raise NotImplementedError

    def forward(self, situation: Situation, candidates: Sequence[Any]) -> list[Generated]:
        runs = [partial(self.run, candidate=candidate) for candidate in candidates or (None,)]
        return [self._objective.produce(run, situation, self.companions) for run in runs]


class PlainGenerator(GeneratorSide):
    """A generator without candidates or features."""

    def __init__(self, net: nn.Module, objective: Objective, companions: dict[str, nn.Module] | None = None) -> None:
        super().__init__(objective, companions)
        self.net = net

    def run(self, x: Tensor, candidate: Any) -> tuple[Tensor, tuple[Tensor, ...]]:
        assert candidate is None, "a plain generator has one shape"
        return self.net(x), ()


class CriticSide(nn.Module):
    """What the discriminator's engine trains: ``net``, the objective's ``companions``, and the histories of pictures that they see."""

    def __init__(
        self,
        net: nn.Module,
        objective: Objective,
        companions: dict[str, nn.Module] | None = None,
        *,
        pools: dict[str, tuple[int, ...]] | None = None,
    ) -> None:
        super().__init__()
        self.net = net
        self.companions = nn.ModuleDict(companions or {})
        self._objective = objective
        for name, shape in (pools or {}).items():
            add_pool(self, name, shape)

    def forward(self, situation: Situation, generated: Sequence[Generated]) -> Terms:
        return self._objective.criticise(self, situation, generated)


class GanTrainer:
    """Trains a generator and a discriminator in turn on an objective.

    ``choose`` says which candidates the generator runs as at a step (their losses are averaged); ``teacher`` gives pictures and features to
    learn from. A step takes ``critic_steps`` batches: the discriminator's steps are on one each, the generator's on the last. With
    accumulation, the discriminator goes first on all parts of a batch. There is none where the objective asks none.
    """

    def __init__(
        self,
        generator: Engine,
        discriminator: Engine | None,
        *,
        objective: Objective,
        choose: Choose | None = None,
        teacher: Teacher | None = None,
    ) -> None:
        self.generator = generator
        self.discriminator = discriminator
        self._objective = objective
        self._choose: Choose = choose or (lambda step: ())
        self._teacher = teacher
        # Set by the loop where the stage averages its weights.
        self.average: WeightAverage | None = None

    def weights(self) -> dict[str, Tensor]:
        """Return the generator's side as the stage would write it now, float32 by name on the CPU: averaged where the stage averages.
        Collective."""
        return self.generator.tensors() if self.average is None else self.average.tensors()

    @property
    def engines(self) -> dict[str, Engine]:
        """The engines that there are, by what they train."""
        return {"generator": self.generator} | ({} if self.discriminator is None else {"discriminator": self.discriminator})

    @property
    def batches(self) -> int:
        """How many batches one step takes."""
        return self._objective.weights.critic_steps if self._objective.needs_critic else 1

    def step(self, batch: Batch, *, step: int) -> Figures:
        """Take optimizer step ``step`` (from 0) of both networks; return this worker's ``loss``, its parts, and the discriminator's."""
        candidates = self._choose(step)
        rounds = batch.chunk(self.batches)
        found: list[Figures] = []
        for number, one in enumerate(rounds, start=1):
            parts = [self._objective.prepare(part, self._teacher) for part in one.chunk(self.generator.accumulation)]
            # One part: the same forward pass serves both networks. Several: keeping all of their graphs is what accumulation is to avoid.
            kept = self._generate(parts[0], candidates) if len(parts) == 1 and number == len(rounds) else None
            found += self._train_discriminator(parts, kept, candidates, step=step)
        figures = [self._train_generator(part, kept or self._generate(part, candidates), step=step) for part in parts]
        return _mean(found) | _mean(figures)

    def close(self) -> None:
        """Release both engines; the modules stay as they are."""
        self.generator.close()
        if self.discriminator is not None:
            self.discriminator.close()

    def _generate(self, situation: Situation, candidates: Sequence[Any]) -> list[Generated]:
        return [one.each(Tensor.float) for one in self.generator(situation, candidates)]

    def _train_discriminator(
        self, parts: Sequence[Situation], kept: list[Generated] | None, candidates: Sequence[Any], *, step: int
    ) -> list[Figures]:
        if self.discriminator is None or not self._objective.needs_critic:
            return []
        found = []
        for part in parts:
            with torch.no_grad():
                made = [one.each(Tensor.detach) for one in kept or self._generate(part, candidates)]
            terms = self.discriminator(part, made)
            self.discriminator.descend(_total(terms), step=step)
            found.append({name: value.detach() for name, (_, value) in terms.items()})
        return found

    def _train_generator(self, situation: Situation, generated: Sequence[Generated], *, step: int) -> Figures:
        losses, found = [], []
        for one in generated:
            with nullcontext() if self.discriminator is None else self.discriminator.fixed() as critics:
                assert critics is None or isinstance(critics, CriticSide)
                terms = self._objective.judge(critics, situation, one)
            losses.append(_total(terms))
            found.append({name: value.detach() for name, (_, value) in terms.items()})
        loss = torch.stack(losses).mean()
        self.generator.descend(loss, step=step)
        return {"loss": loss.detach()} | _mean(found)


def _total(terms: Terms) -> Tensor:
    return torch.stack([weight * value for weight, value in terms.values()]).sum()


def _mean(found: Sequence[Figures]) -> Figures:
    return {name: torch.stack([figures[name] for figures in found]).mean() for name in (found[0] if found else ())}
