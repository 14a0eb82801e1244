"""The Fréchet distance against closed forms, against scipy's matrix root, and against torchmetrics."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchmetrics.image.fid import FrechetInceptionDistance

from autogc.errors import MetricError
from autogc.metrics import frechet, frechet_distance, frechet_distance_from_samples, mean_and_covariance
from autogc.metrics.frechet import Reference, covariance_factor


def normal(samples, features, seed, *, scale=1.0, shift=0.0):
    return torch.randn(samples, features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale + shift


def by_scipy(a, b):
    """The formula as it is written, with the root of a matrix that is not symmetric."""
    sigma1, sigma2 = np.cov(a.numpy(), rowvar=False), np.cov(b.numpy(), rowvar=False)
    root = scipy.linalg.sqrtm(sigma1 @ sigma2)
    apart = a.numpy().mean(0) - b.numpy().mean(0)
    return float(apart @ apart + np.trace(sigma1) + np.trace(sigma2) - 2 * np.trace(root.real))


def of_gaussians(a, b):
    return frechet_distance(*mean_and_covariance(a), *mean_and_covariance(b))


@pytest.mark.parametrize("form", [of_gaussians, frechet_distance_from_samples, lambda a, b: Reference(b).distance(a)])
def test_agrees_with_scipy(form):
    a, b = normal(60, 12, 0), normal(80, 12, 1, scale=1.7, shift=0.3)
    assert form(a, b) == pytest.approx(by_scipy(a, b), rel=1e-9)


def test_agrees_with_torchmetrics():
    class Colours(nn.Module):
        def forward(self, images):
            return torch.nn.functional.adaptive_avg_pool2d(images.double(), 2).flatten(1)

    generator = torch.Generator().manual_seed(0)
    real = torch.rand(50, 3, 8, 8, generator=generator)
    fake = torch.rand(40, 3, 8, 8, generator=generator) ** 2
    metric = FrechetInceptionDistance(feature=Colours(), input_img_size=(3, 8, 8), normalize=True).set_dtype(torch.float64)
    metric.update(real, real=True)
    metric.update(fake, real=False)
    expected = float(metric.compute())
    features = [Colours()(images) for images in (fake, real)]
    assert of_gaussians(*features) == pytest.approx(expected, rel=1e-6)


def test_diagonal_gaussians_have_a_closed_form():
    a, b = torch.tensor([0.5, 2.0, 3.0]).double(), torch.tensor([1.5, 0.1, 3.0]).double()
    mu = torch.tensor([1.0, -2.0, 0.5]).double()
    expected = float((mu**2).sum() + ((a - b) ** 2).sum())
    assert frechet_distance(mu, torch.diag(a**2), torch.zeros(3), torch.diag(b**2)) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(samples=st.integers(2, 30), features=st.integers(1, 20), seed=st.integers(0, 1000), shift=st.floats(-5, 5))
def test_properties(samples, features, seed, shift):
    a, b = normal(samples, features, seed), normal(samples + 3, features, seed + 1, scale=0.5)
    for form in (of_gaussians, frechet_distance_from_samples):
        distance = form(a, b)
        assert distance >= 0
        assert form(b, a) == pytest.approx(distance, rel=1e-6, abs=1e-6)
        assert form(a, a) == pytest.approx(0, abs=1e-6)
        assert form(a + shift, a) == pytest.approx(features * shift**2, rel=1e-6, abs=1e-6)
    assert of_gaussians(a, b) == pytest.approx(frechet_distance_from_samples(a, b), rel=1e-6, abs=1e-6)


def test_few_samples_of_many_features():
    """Covariances of rank 9 in 200 dimensions: rounding in the other 191 must not add up."""
    a, b = normal(10, 200, 0), normal(10, 200, 1)
    assert of_gaussians(a, b) == pytest.approx(frechet_distance_from_samples(a, b), rel=1e-6)
    assert of_gaussians(a, a) == pytest.approx(0, abs=1e-6)
    # Two spans that are orthogonal have nothing in common: only the traces remain.
    low, high = a.clone(), b.clone()
    low[:, 100:], high[:, :100] = 0, 0
    traces = low.var(0).sum() + high.var(0).sum() + (low.mean(0) - high.mean(0)).square().sum()
    assert of_gaussians(low, high) == pytest.approx(float(traces), rel=1e-6)


@pytest.mark.parametrize("samples", [6, 40])
def test_a_factor_makes_the_covariance_again(samples):
    features = normal(samples, 10, 0)
    _, covariance = mean_and_covariance(features)
    for factor in (covariance_factor(covariance), Reference(features).factor):
        assert torch.allclose(factor.T @ factor, covariance, atol=1e-12)


SPECTRA = {
    "flat": lambda count: torch.ones(count),
    "falling": lambda count: torch.arange(1, count + 1) ** -2.0,
    "steep": lambda count: torch.logspace(0, -6, count),
    "dead features": lambda count: (torch.arange(count) < count // 2).float(),
}


@pytest.mark.parametrize("few", [0, frechet.FEW])
@pytest.mark.parametrize("samples", [60, 250])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_both_forms_agree_where_pictures_are_many(monkeypatch, spectrum, samples, few):
    """Eigenvalues where they suffice and singular values elsewhere, against singular values alone, for every shape and spectrum."""
    features = 160
    mix = torch.linalg.qr(normal(features, features, 5))[0] * SPECTRA[spectrum](features).double()
    a, b = normal(samples, features, 0) @ mix.T, 1.1 * normal(220, features, 1) @ mix.T
    first, second = ((x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (a, b))
    roots = torch.linalg.svdvals(first @ second.T).sum()
    expected = float((a.mean(0) - b.mean(0)).square().sum() + first.square().sum() + second.square().sum() - 2 * roots)
    monkeypatch.setattr(frechet, "FEW", few)
    monkeypatch.setattr(frechet, "BLOCK", 32)
    assert Reference(b).distance(a) == pytest.approx(expected, rel=1e-6)
    assert of_gaussians(a, b) == pytest.approx(expected, rel=1e-4 if spectrum in ("steep", "dead features") else 1e-6)


def test_a_reference_of_moments_is_that_of_the_samples():
    a, b = normal(30, 12, 0), normal(80, 12, 1, scale=1.7, shift=0.3)
    reference = Reference.of_moments(*mean_and_covariance(b))
    assert reference.features is None
    assert reference.distance(a) == pytest.approx(by_scipy(a, b), rel=1e-9)
    with pytest.raises(MetricError, match="not symmetric"):
        Reference.of_moments(torch.zeros(2), torch.tensor([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(MetricError, match="11 features against 12"):
        reference.distance(a[:, :11])


def test_the_covariance_is_unbiased():
    samples = normal(9, 4, 0)
    mean, covariance = mean_and_covariance(samples.float())
    assert covariance.dtype == torch.float64
    assert torch.allclose(covariance, torch.from_numpy(np.cov(samples.float().double().numpy(), rowvar=False)), atol=1e-12)
    assert torch.allclose(mean, samples.float().double().mean(0))


@pytest.mark.parametrize(
    "bad", [normal(1, 3, 0), torch.full((4, 3), float("nan")), torch.zeros(4, 3).index_fill(0, torch.tensor([1]), float("inf"))]
)
def test_what_has_no_distance(bad):
    good = normal(5, 3, 0)
    for features, reference in ((bad, good), (good, bad)):
        with pytest.raises(MetricError):
            frechet_distance_from_samples(features, reference)
        with pytest.raises(MetricError):
            Reference(reference).distance(features)
    with pytest.raises(MetricError):
        mean_and_covariance(bad)


def test_shapes_that_differ():
    with pytest.raises(MetricError, match="3 features against 4"):
        frechet_distance_from_samples(normal(5, 3, 0), normal(5, 4, 0))
    with pytest.raises(MetricError, match="sigma2"):
        frechet_distance(torch.zeros(3), torch.eye(3), torch.zeros(3), torch.eye(4))
    with pytest.raises(MetricError, match="mu1 has 3 features, and sigma2 and mu2 have 4"):
        frechet_distance(torch.zeros(3), torch.eye(3), torch.zeros(4), torch.eye(4))
    with pytest.raises(MetricError, match="mu1 holds NaN"):
        frechet_distance(torch.full((3,), float("nan")), torch.eye(3), torch.zeros(3), torch.eye(3))


def test_a_matrix_with_negative_eigenvalues_is_no_covariance():
    turned = torch.linalg.qr(normal(4, 4, 0)).Q
    for least, fails in ((-0.5, True), (-1e-6, False), (0.0, False)):
        matrix = turned @ torch.diag(torch.tensor([2.0, 1.0, 0.3, least], dtype=torch.float64)) @ turned.T
        if fails:
            with pytest.raises(MetricError, match=r"a matrix with the eigenvalues -0\.5 to 2 is no covariance"):
                Reference.of_moments(torch.zeros(4), matrix)
        else:
            assert Reference.of_moments(torch.zeros(4), matrix).factor.isfinite().all()
