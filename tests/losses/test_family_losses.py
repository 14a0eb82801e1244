"""The terms of WGAN-GP, pix2pixHD and StarGAN against arithmetic done by hand."""

import math

import pytest
import torch
from torch import Tensor, nn

from autogc.errors import ConfigError
from autogc.losses import ADVERSARIAL, domain_classification, feature_matching, gradient_penalty, over_scales
from autogc.models import Verdict

REAL = torch.tensor([0.5, 2.0])
FAKE = torch.tensor([-0.5, 3.0])


def test_wasserstein() -> None:
    loss = ADVERSARIAL.build("wgan_gp", {"penalty_weight": 3})
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(1.25 - 1.25)
    assert loss.discriminator(REAL, FAKE + 1).item() == pytest.approx(1.0)
    assert loss.generator(FAKE).item() == pytest.approx(-1.25)
    assert loss.penalty_weight == 3


def test_only_wasserstein_has_a_penalty() -> None:
    weights = {name: ADVERSARIAL.build(name).penalty_weight for name in ADVERSARIAL}
    assert weights == {"hinge": 0, "lsgan": 0, "vanilla": 0, "wgan_gp": 10}


def test_scales_count_the_same_however_many_logits_they_have() -> None:
    fine, coarse = torch.full((2, 1, 8, 8), 3.0), torch.full((2, 1, 2, 2), 1.0)
    loss = ADVERSARIAL.build("hinge")
    assert over_scales(loss.generator, Verdict((fine, coarse))).item() == pytest.approx(-2)
    assert over_scales(loss.discriminator, Verdict((fine, coarse)), Verdict((-fine, coarse))).item() == pytest.approx((0 + 2) / 2)
    assert over_scales(loss.generator, Verdict((fine,))) == loss.generator(fine)


def test_scales_of_two_verdicts_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="zip"):
        over_scales(ADVERSARIAL.build("hinge").discriminator, Verdict((REAL, REAL)), Verdict((FAKE,)))


def test_the_penalty_of_a_linear_critic_is_that_of_its_weights() -> None:
    weight = torch.randn(3, 4, 4, requires_grad=True)
    penalty = gradient_penalty(lambda x: (x * weight).sum((1, 2, 3)), torch.rand(5, 3, 4, 4), torch.rand(5, 3, 4, 4))
    norm = weight.norm()
    torch.testing.assert_close(penalty, (norm - 1) ** 2)
    penalty.backward()
    torch.testing.assert_close(weight.grad, (2 * (norm - 1) * weight / norm).detach())


def test_the_penalty_mixes_each_pair_by_a_weight_of_its_own() -> None:
    """The critic ``|x|^2 / 2`` has the gradient x itself, so the points that were drawn can be told."""
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.square().flatten(1).sum(1) / 2

    real, fake = torch.ones(64, 1, 2, 2), torch.zeros(64, 1, 2, 2)
    torch.manual_seed(5)
    penalty = gradient_penalty(critic, real, fake)
    (between,) = seen
    shares = between[:, 0, 0, 0]
    assert torch.equal(between, shares.view(-1, 1, 1, 1).expand_as(between))
    assert shares.unique().numel() == 64 and 0 <= shares.min() < 0.1 and 0.9 < shares.max() <= 1
    torch.testing.assert_close(penalty, ((2 * shares - 1) ** 2).mean())  # |x| of four equal elements is twice one.
    torch.manual_seed(5)
    assert gradient_penalty(critic, real, fake) == penalty


def test_the_penalty_leaves_images_and_generator_alone() -> None:
    real, fake = (torch.rand(2, 1, 4, 4, requires_grad=True) for _ in range(2))
    conv = nn.Conv2d(1, 1, 3)
    with torch.no_grad():
        inside = gradient_penalty(conv, real, fake)
    assert inside.isfinite()
    gradient_penalty(conv, real, fake).backward()
    assert real.grad is None and fake.grad is None
    assert conv.weight.grad is not None and conv.weight.grad.abs().max() > 0


def test_the_penalty_of_a_flat_critic_is_one_and_its_gradient_finite() -> None:
    weight = torch.zeros(4, 4, requires_grad=True)
    penalty = gradient_penalty(lambda x: (x * weight).sum((1, 2, 3)), torch.rand(2, 1, 4, 4), torch.rand(2, 1, 4, 4))
    penalty.backward()
    assert penalty.item() == 1
    assert weight.grad is not None and weight.grad.isfinite().all()


def test_the_penalty_refuses_pairs_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"\(2, 1, 4, 4\)"):
        gradient_penalty(lambda x: x, torch.rand(2, 1, 4, 4), torch.rand(1, 1, 4, 4))


def test_feature_matching_sums_layers_and_averages_scales() -> None:
    fake = ((torch.zeros(1, 2, 2, 2), torch.ones(1, 1, 1, 1)), (torch.zeros(1, 1, 1, 1),))
    real = ((torch.full((1, 2, 2, 2), 3.0), torch.full((1, 1, 1, 1), -1.0)), (torch.full((1, 1, 1, 1), 4.0),))
    assert feature_matching(fake, real).item() == pytest.approx((3 + 2 + 4) / 2)


def test_feature_matching_leaves_the_real_features_alone() -> None:
    fake, real = torch.zeros(1, 1, 2, 2, requires_grad=True), torch.ones(1, 1, 2, 2, requires_grad=True)
    feature_matching(((fake,),), ((real,),)).backward()
    assert real.grad is None
    torch.testing.assert_close(fake.grad, torch.full((1, 1, 2, 2), -1 / 4))


def test_feature_matching_needs_features() -> None:
    with pytest.raises(ConfigError, match="multi_scale"):
        feature_matching((), ())


def _log_sigmoid(x: float) -> float:
    return -math.log1p(math.exp(-x))


def test_attributes_are_questions_of_their_own() -> None:
    logits, domains = torch.tensor([[2.0, -1.0], [0.5, 0.0]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    first = -_log_sigmoid(2.0) - _log_sigmoid(-1.0)
    second = -_log_sigmoid(-0.5) - _log_sigmoid(0.0)
    assert domain_classification(logits, domains).item() == pytest.approx((first + second) / 2, rel=1e-6)


def test_exclusive_domains_are_one_question() -> None:
    logits, domains = torch.tensor([[2.0, -1.0], [0.5, 0.0]]), torch.tensor([[1, 0], [0, 1]])
    first = -math.log(math.exp(2) / (math.exp(2) + math.exp(-1)))
    second = -math.log(1 / (math.exp(0.5) + 1))
    assert domain_classification(logits, domains, exclusive=True).item() == pytest.approx((first + second) / 2, rel=1e-6)


def test_domains_must_fit() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\)"):
        domain_classification(torch.zeros(2, 3), torch.zeros(2, 2))
