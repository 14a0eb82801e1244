"""PSNR and SSIM equal scikit-image's and torchmetrics', picture by picture, whatever the sizes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from autogc.config.experiment import PixelsConfig
from autogc.errors import MetricError
from autogc.metrics.metric import Observation, Setting
from autogc.metrics.pixels import bicubic
from autogc.metrics.psnr import Psnr, psnr
from autogc.metrics.ssim import Ssim, ssim

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def bytes_of(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """Pictures (N, C, H, W) with structure at several scales, 0..255."""
    generator = np.random.default_rng(seed)
    coarse = np.kron(generator.integers(0, 200, size=(*shape[:2], 8, 8)), np.ones((shape[2] // 8 + 1, shape[3] // 8 + 1)))
    return (coarse[..., : shape[2], : shape[3]] + generator.integers(0, 56, size=shape)).astype(np.uint8)


def signed(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.astype(np.float32)) / 127.5 - 1


FIRST, SECOND = bytes_of(0, (3, 3, 40, 52)), bytes_of(1, (3, 3, 40, 52))
SECOND = (0.8 * FIRST + 0.2 * SECOND).astype(np.uint8)


def test_psnr_equals_scikit_images() -> None:
    expected = [peak_signal_noise_ratio(true, test, data_range=255) for true, test in zip(SECOND, FIRST, strict=True)]
    assert psnr(signed(FIRST), signed(SECOND)).tolist() == pytest.approx(expected, rel=1e-12)


def test_psnr_of_luma_without_a_border_equals_scikit_images() -> None:
    luma = [[rgb2ycbcr(one.transpose(1, 2, 0))[4:-4, 4:-4, 0] for one in pictures] for pictures in (SECOND, FIRST)]
    expected = [peak_signal_noise_ratio(true, test, data_range=255) for true, test in zip(*luma, strict=True)]
    assert psnr(signed(FIRST), signed(SECOND), PixelsConfig(channel="y", border=4)).tolist() == pytest.approx(expected, rel=1e-9)


def test_known_values() -> None:
    black = torch.full((1, 1, 16, 16), -1.0)
    assert psnr(black, black.neg()).item() == 0
    one_more = signed(np.ones((1, 1, 16, 16), np.uint8))
    assert psnr(black, one_more).item() == pytest.approx(20 * math.log10(255))
    assert psnr(black, black).item() == math.inf
    assert ssim(black, black).item() == 1
    # No variance, so what is left is the comparison of the means.
    constant = (0.01 * 255) ** 2
    assert ssim(black, black.neg()).item() == pytest.approx(constant / (255**2 + constant))


@pytest.mark.parametrize("config", [PixelsConfig(), PixelsConfig(border=3)])
def test_ssim_equals_scikit_images(config: PixelsConfig) -> None:
    shave = slice(config.border, -config.border or None)
    expected = [
        structural_similarity(
            true[:, shave, shave], test[:, shave, shave],
            data_range=255, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        )
        for true, test in zip(SECOND, FIRST, strict=True)
    ]  # fmt: skip
    assert ssim(signed(FIRST), signed(SECOND), config).tolist() == pytest.approx(expected, rel=1e-9)


def test_ssim_of_luma_equals_scikit_images() -> None:
    luma = [[rgb2ycbcr(one.transpose(1, 2, 0))[..., 0] for one in pictures] for pictures in (SECOND, FIRST)]
    expected = [
        structural_similarity(true, test, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False)
        for true, test in zip(*luma, strict=True)
    ]
    assert ssim(signed(FIRST), signed(SECOND), PixelsConfig(channel="y")).tolist() == pytest.approx(expected, rel=1e-9)


def test_they_equal_torchmetrics() -> None:
    from torchmetrics.functional.image import peak_signal_noise_ratio as other_psnr
    from torchmetrics.functional.image import structural_similarity_index_measure as other_ssim

    first, second = (torch.from_numpy(one).double() for one in (FIRST, SECOND))
    expected = other_psnr(first, second, data_range=255.0, reduction="none", dim=(1, 2, 3))
    assert psnr(signed(FIRST), signed(SECOND)).tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    _, everywhere = other_ssim(first, second, data_range=255.0, sigma=1.5, kernel_size=11, reduction="none", return_full_image=True)
    # Its mean is over windows that reach beyond the picture too, where it mirrors the picture.
    inside = everywhere[..., 5:-5, 5:-5].mean((1, 2, 3))
    assert ssim(signed(FIRST), signed(SECOND)).tolist() == pytest.approx(inside.tolist(), rel=1e-6)


def test_a_grey_picture_is_compared_as_it_is() -> None:
    grey = [signed(one[:, :1]) for one in (FIRST, SECOND)]
    for measure in (psnr, ssim):
        assert torch.equal(measure(*grey, PixelsConfig(channel="y")), measure(*grey))
        three = [one.expand(-1, 3, -1, -1) for one in grey]
        assert measure(*three).tolist() == pytest.approx(measure(*grey).tolist(), rel=1e-12)


@pytest.mark.parametrize(("metric", "function"), [(Psnr, psnr), (Ssim, ssim)])
def test_the_mean_is_over_pictures_of_any_size(metric: type[Psnr] | type[Ssim], function: type) -> None:
    running = metric(Setting())
    found = []
    for size in (16, 24, 40):
        pictures, target = signed(FIRST[:2, :, :size, :size]), signed(SECOND[:2, :, :size, :size])
        running.add(Observation(pictures, target=target))
        found += function(pictures, target).tolist()
    assert running.value() == pytest.approx(sum(found) / 6)


def test_what_cannot_be_compared_is_said() -> None:
    with pytest.raises(MetricError, match="against targets"):
        psnr(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 9))
    with pytest.raises(MetricError, match=r"8 x 8 without a border of 4 .* lower scores\.pixels\.border"):
        psnr(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8), PixelsConfig(border=4))
    with pytest.raises(MetricError, match="smaller than the 11 x 11"):
        ssim(torch.zeros(1, 3, 10, 30), torch.zeros(1, 3, 10, 30))


def test_the_protocol_is_said() -> None:
    setting = Setting(pixels=PixelsConfig(channel="y", border=4))
    assert Psnr.protocol(setting) == "luma (Y of BT.601) of 8-bit pictures, without a border of 4 pixels, the mean over pictures"
    assert "11 x 11" in Ssim.protocol(Setting()) and "all channels" in Ssim.protocol(Setting())


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "scale", "decibels", "similarity"), [("Set5", 2, 33.66, 0.9299), ("Set5", 4, 28.42, 0.8104), ("Set14", 4, 26.00, 0.7027)]
)
def test_bicubic_enlargement_reaches_the_published_figures(name: str, scale: int, decibels: float, similarity: float) -> None:
    """Those that every super-resolution paper lists, over Y and without a border of the scale (Lim et al., EDSR, table 2)."""
    folder = DATA / "sr" / name / f"x{scale}"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there")
    config = PixelsConfig(channel="y", border=scale)
    found = []
    for low in sorted((folder / "LR").iterdir()):
        small, large = (read(path) for path in (low, folder / "HR" / low.name.replace("LR", "HR")))
        made = bicubic(small, (large.shape[-2], large.shape[-1])).add(1).mul(127.5).round().div(127.5).sub(1)
        found.append((float(psnr(made, large, config)), float(ssim(made, large, config))))
    means = np.mean(found, axis=0)
    assert means[0] == pytest.approx(decibels, abs=0.03) and means[1] == pytest.approx(similarity, abs=0.002)


def read(path: Path) -> torch.Tensor:
    pixels = np.array(Image.open(path))
    return signed(pixels[None, None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)[None])
