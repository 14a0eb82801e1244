"""Muon against its definition: singular vectors, update sizes, Adam for the rest."""

import pytest
import torch
from torch import nn

from autogc.training.muon import RMS, Muon, is_matrix, orthogonalized


@pytest.mark.parametrize("shape", [(8, 27), (48, 144), (16, 16), (90, 12)])
def test_an_update_has_the_gradients_singular_vectors_and_values_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    seen = left.T @ orthogonalized(matrix) @ right.T
    assert (seen - torch.diag(seen.diagonal())).abs().max() < 1e-3
    assert seen.diagonal().min() > 0.3 and seen.diagonal().max() < 1.3


def test_what_a_narrow_subnet_does_not_touch_stays_as_it_is() -> None:
    weight = nn.Parameter(torch.ones(8, 4, 3, 3))
    optimizer = Muon([weight], lr=0.1)
    weight[:4, :2].square().sum().backward()
    optimizer.step()
    changed = (weight.detach() != 1).flatten(2).any(dim=2)
    assert changed[:4, :2].all() and not changed[4:].any() and not changed[:, 2:].any()


@pytest.mark.parametrize("shape", [(16, 8, 3, 3), (8, 64, 1, 1), (64, 8)])
def test_an_update_of_a_matrix_has_the_same_root_mean_square_whatever_its_shape(shape: tuple[int, ...]) -> None:
    weight = nn.Parameter(torch.zeros(shape))
    optimizer = Muon([weight], lr=0.01)
    weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    optimizer.step()
    # An orthogonal (R, C) matrix has min(R, C) ones as singular values, and so the root mean square 1 / sqrt(max(R, C)).
    assert weight.square().mean().sqrt().item() == pytest.approx(0.01 * RMS, rel=0.25)


def test_vectors_and_depthwise_kernels_are_adams() -> None:
    generator = torch.Generator().manual_seed(2)
    mine, theirs = ([nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(6, 1, 3, 3))] for _ in range(2))
    assert not any(is_matrix(one) for one in mine)
    muon, adam = Muon(mine, lr=0.01), torch.optim.Adam(theirs, lr=0.01, betas=(0.9, 0.95))
    for _ in range(5):
        for one, other in zip(mine, theirs, strict=True):
            one.grad = torch.randn(one.shape, generator=generator)
            other.grad = one.grad.clone()
        muon.step()
        adam.step()
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_a_bad_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="lr > 0"):
        Muon([nn.Parameter(torch.ones(2, 2))], lr=0.0)
