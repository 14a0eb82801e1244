"""Each loss against arithmetic done by hand."""

import math

import pytest
import torch

from autogc.losses import ADVERSARIAL, feature_distillation, reconstruction_l1

REAL = torch.tensor([0.5, 2.0])
FAKE = torch.tensor([-0.5, 3.0])


def test_hinge() -> None:
    loss = ADVERSARIAL.build("hinge")
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx((0.5 + 0) / 2 + (0.5 + 4) / 2)
    assert loss.generator(FAKE).item() == pytest.approx(-1.25)


def test_least_squares() -> None:
    loss = ADVERSARIAL.build("lsgan")
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(0.5 * ((0.25 + 1) / 2 + (0.25 + 9) / 2))
    assert loss.generator(FAKE).item() == pytest.approx((2.25 + 4) / 2)


def test_vanilla() -> None:
    loss = ADVERSARIAL.build("vanilla")

    def log_sigmoid(x: float) -> float:
        return -math.log1p(math.exp(-x))

    real = (log_sigmoid(0.5) + log_sigmoid(2.0)) / 2
    fake = (log_sigmoid(0.5) + log_sigmoid(-3.0)) / 2  # log(1 - s(x)) = log s(-x)
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(-0.5 * (real + fake), rel=1e-6)
    assert loss.generator(FAKE).item() == pytest.approx(-(log_sigmoid(-0.5) + log_sigmoid(3.0)) / 2, rel=1e-6)


def test_reconstruction_is_the_mean_absolute_difference() -> None:
    image, target = torch.tensor([[[[1.0, -1.0]]]]), torch.tensor([[[[0.5, 1.0]]]])
    assert reconstruction_l1(image, target).item() == pytest.approx((0.5 + 2) / 2)


def test_reconstruction_refuses_what_would_broadcast() -> None:
    with pytest.raises(ValueError, match=r"\(1, 1, 2, 2\)"):
        reconstruction_l1(torch.zeros(2, 1, 2, 2), torch.zeros(1, 1, 2, 2))


def test_distillation_sums_over_layers_and_averages_within() -> None:
    maps = [torch.zeros(1, 2, 1, 1), torch.ones(1, 1, 2, 2)]
    teacher = [torch.tensor([3.0, 1.0]).view(1, 2, 1, 1), torch.full((1, 1, 2, 2), 3.0)]
    assert feature_distillation(maps, teacher).item() == pytest.approx((9 + 1) / 2 + 4)


def test_distillation_leaves_the_teacher_alone() -> None:
    student, teacher = torch.zeros(1, 1, 2, 2, requires_grad=True), torch.ones(1, 1, 2, 2, requires_grad=True)
    feature_distillation([student], [teacher]).backward()
    assert teacher.grad is None
    torch.testing.assert_close(student.grad, torch.full((1, 1, 2, 2), -2 / 4))


def test_distillation_of_no_layers_is_zero() -> None:
    assert feature_distillation([], []).item() == 0


def test_distillation_refuses_maps_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="layer 0"):
        feature_distillation([torch.zeros(1, 2, 1, 1)], [torch.zeros(1, 3, 1, 1)])
    with pytest.raises(ValueError, match="1 student layers"):
        feature_distillation([torch.zeros(1)], [])
