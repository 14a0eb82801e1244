"""What every distillation term promises, whichever it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from term_rows import ARGUMENTS, MEANS, WITHOUT_TEACHER, half, perfect, scene

from autogc.losses.terms import BACK, CURRENT, DISCRIMINATOR, DOMAINS, FEATURES, PERCEPTUAL_NETWORK, TEACHER, TERMS
from autogc.registry import Registry

CASES = [(name, args) for name, more in ARGUMENTS.items() for args in ({}, *more)]


def test_there_is_a_row_for_each_term() -> None:
    assert isinstance(TERMS, Registry) and set(ARGUMENTS) == set(TERMS)


@pytest.mark.parametrize(("name", "args"), CASES)
def test_a_finite_scalar_that_is_never_negative(name: str, args: dict[str, Any]) -> None:
    value = TERMS.build(name, args)(scene())
    assert value.shape == () and value.dtype == torch.float32 and value.isfinite() and value > 0


@pytest.mark.parametrize(("name", "args"), CASES)
def test_gradients_reach_the_student_alone(name: str, args: dict[str, Any]) -> None:
    seen = scene()
    TERMS.build(name, args)(seen).backward()
    mine = [one.grad for one in (seen.image, *seen.features, *seen.mapped) if one.grad is not None]
    assert mine and all(bool(grad.isfinite().all()) and float(grad.abs().max()) > 0 for grad in mine)
    theirs = (seen.target, seen.taught, *seen.teacher_features, *seen.perceptual.parameters())
    assert all(one.grad is None for one in (*theirs, *seen.discriminators[TEACHER].net.parameters()))


@pytest.mark.parametrize(("name", "args"), [case for case in CASES if case[0] not in WITHOUT_TEACHER])
def test_a_student_that_does_as_its_teacher_does_has_nothing_to_learn(name: str, args: dict[str, Any]) -> None:
    value = TERMS.build(name, args)(perfect(scene()))
    assert float(value.detach()) == pytest.approx(0, abs=2e-6)


@pytest.mark.parametrize(("name", "args"), CASES)
def test_one_step_down_the_gradient_makes_it_less(name: str, args: dict[str, Any]) -> None:
    seen = scene()
    term = TERMS.build(name, args)
    before = term(seen)
    before.backward()
    with torch.no_grad():
        for one in (seen.image, *seen.features, *seen.mapped):
            if one.grad is not None:
                one -= 1e-3 * one.grad / one.grad.abs().max()
    assert float(term(seen).detach()) < float(before.detach())


@pytest.mark.parametrize(("name", "args"), [case for case in CASES if case[0] in MEANS])
def test_the_mean_of_two_halves_is_the_whole(name: str, args: dict[str, Any]) -> None:
    """What makes several workers, or accumulation, train on the same as one large batch."""
    term, seen = TERMS.build(name, args), scene()
    halves = [term(half(seen, part)) for part in (slice(0, 2), slice(2, 4))]
    torch.testing.assert_close(torch.stack(halves).mean(), term(seen))


@pytest.mark.parametrize(("name", "args"), CASES)
def test_what_it_needs_and_whom_it_asks_are_known(name: str, args: dict[str, Any]) -> None:
    term = TERMS.build(name, args)
    assert term.needs <= {FEATURES, PERCEPTUAL_NETWORK, DISCRIMINATOR, DOMAINS, BACK}
    assert (term.discriminator in (TEACHER, CURRENT)) == (DISCRIMINATOR in term.needs)
    assert type(term).__doc__


@pytest.mark.parametrize("name", ["discriminator_consistency", "generator_consistency"])
def test_consistency_with_a_gradient_penalty(name: str) -> None:
    seen = scene(adversarial="wgan_gp")
    torch.manual_seed(0)
    TERMS.build(name)(seen).backward()
    assert seen.image.grad is not None and float(seen.image.grad.abs().max()) > 0
    torch.manual_seed(0)
    assert float(TERMS.build(name)(perfect(seen)).detach()) == pytest.approx(0, abs=2e-5)
