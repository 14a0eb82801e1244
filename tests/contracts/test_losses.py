"""What every adversarial loss promises, whichever it is."""

import pytest
import torch

from autogc.losses import ADVERSARIAL

NAMES = sorted(ADVERSARIAL)
REAL = torch.tensor([[[[0.5, -1.5], [2.0, 0.0]]]])
FAKE = torch.tensor([[[[-0.5, 1.5], [-2.0, 0.0]]]])


@pytest.mark.parametrize("name", NAMES)
def test_scalars_of_the_logits_dtype(name: str) -> None:
    loss = ADVERSARIAL.build(name)
    for value in (loss.discriminator(REAL, FAKE), loss.generator(FAKE)):
        assert value.shape == () and value.dtype == REAL.dtype and value.isfinite()


@pytest.mark.parametrize("name", NAMES)
def test_a_discriminator_that_separates_has_less_loss_and_the_generator_more(name: str) -> None:
    loss = ADVERSARIAL.build(name)
    good, bad = torch.full((2, 1, 3, 3), 1.0), torch.full((2, 1, 3, 3), -1.0)
    assert loss.discriminator(good, bad) < loss.discriminator(bad, good)
    assert loss.generator(bad) > loss.generator(good)


@pytest.mark.parametrize("name", NAMES)
def test_descending_moves_logits_apart_for_the_discriminator_and_up_for_the_generator(name: str) -> None:
    loss = ADVERSARIAL.build(name)
    real, fake = torch.zeros(1, 1, 2, 2, requires_grad=True), torch.zeros(1, 1, 2, 2, requires_grad=True)
    loss.discriminator(real, fake).backward()
    assert (real.grad < 0).all()
    # Least squares asks a generated image's logit to be 0, where it starts here: start above.
    raised = torch.full_like(fake, 0.5, requires_grad=True)
    loss.discriminator(torch.zeros_like(fake), raised).backward()
    assert (raised.grad > 0).all()
    loss.generator(fake := torch.zeros(1, 1, 2, 2, requires_grad=True)).backward()
    assert (fake.grad < 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_of_two_halves_is_the_whole(name: str) -> None:
    """What makes several workers, or accumulation, train on the same objective as one large batch."""
    loss = ADVERSARIAL.build(name)
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(4, 1, 3, 3, generator=generator), torch.randn(4, 1, 3, 3, generator=generator)
    halves = [loss.discriminator(real[part], fake[part]) for part in (slice(0, 2), slice(2, 4))]
    torch.testing.assert_close(torch.stack(halves).mean(), loss.discriminator(real, fake))


@pytest.mark.parametrize("name", NAMES)
def test_extreme_logits_stay_finite(name: str) -> None:
    loss = ADVERSARIAL.build(name)
    huge = torch.tensor([1e4, -1e4])
    assert loss.discriminator(-huge, huge).isfinite() and loss.generator(huge).isfinite()


@pytest.mark.parametrize("name", NAMES)
def test_a_penalty_has_a_weight_that_is_known(name: str) -> None:
    assert ADVERSARIAL.build(name).penalty_weight >= 0
