"""Every metric a second time, by other people's code or as its paper writes it, and the random pictures to compare the two on."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st
from lpips_by_hand import by_hand
from metric_scenes import looked_at
from scipy import ndimage
from scipy.spatial.distance import cdist
from scipy.stats import entropy
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from sklearn.metrics import accuracy_score, jaccard_score
from sklearn.metrics.pairwise import polynomial_kernel
from torchmetrics.image.fid import _compute_fid

from autogc.config.experiment import PixelsConfig
from autogc.metrics import Reference
from autogc.metrics.confusion import confusion_of_each
from autogc.metrics.metric import Observation, Setting

Scene = tuple[Observation, Setting]


@st.composite
def features(draw: st.DrawFn, least: int = 4) -> Scene:
    """Features of any number, of full rank and less, with ties and with copies of real ones."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    made, real, width = draw(st.integers(least, 20)), draw(st.integers(least, 20)), draw(st.integers(1, 8))
    rank = draw(st.integers(1, width))
    values = random.normal(size=(made + real, rank)) @ random.normal(size=(rank, width))
    if draw(st.booleans()):
        values = values.round()
    if draw(st.booleans()):
        values[: made // 2] = values[made + random.integers(real, size=made // 2)]
    generated, there = (torch.from_numpy(part.copy()) for part in (values[:made], values[made:]))
    return Observation(torch.zeros(made, 1, 2, 2), features=generated), Setting(reference=Reference(there))


@st.composite
def pictures(draw: st.DrawFn, least: int = 1) -> Scene:
    """Pictures in pairs, grey or in colour, of odd sizes and even, compared in any way."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    border = draw(st.integers(0, 2))
    height, width = (draw(st.integers(least + 2 * border, least + 2 * border + 9)) for _ in range(2))
    shape = (draw(st.integers(1, 3)), draw(st.sampled_from([1, 3])), height, width)
    first = random.integers(0, 256, size=shape)
    second = np.clip(first + random.integers(-40, 41, size=shape), 0, 255)
    signed = [torch.from_numpy(values.astype(np.float32)) / 127.5 - 1 for values in (first, second)]
    channel = draw(st.sampled_from(["rgb", "y"]))
    return Observation(signed[0], target=signed[1]), Setting(pixels=PixelsConfig(channel=channel, border=border))


@st.composite
def pictures_to_look_at(draw: st.DrawFn) -> Scene:
    """Pictures in pairs that are large enough for AlexNet, grey or in colour."""
    observation, setting = draw(pictures(least=31))
    assert observation.target is not None
    return looked_at(observation.pictures, observation.target), setting


@st.composite
def label_maps(draw: st.DrawFn) -> Scene:
    """Label maps with pixels and whole classes that are missing, on either side."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, classes = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    shape = (count, draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    labels, found = (torch.from_numpy(random.integers(0, draw(st.integers(1, classes)), size=shape)) for _ in range(2))
    labels[torch.from_numpy(random.random(shape) < 0.2)] = 255
    labels[0, 0, 0] = 0
    found[torch.from_numpy(random.random(shape) < 0.1)] = 255
    confusion = confusion_of_each(found, labels, classes=classes)
    return Observation(torch.zeros(count, 1, 2, 2), confusion=confusion), Setting(class_names=tuple("abcde"[:classes]))


@st.composite
def probabilities(draw: st.DrawFn) -> Scene:
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, classes = draw(st.integers(1, 30)), draw(st.integers(2, 9))
    rows = random.dirichlet(np.full(classes, draw(st.sampled_from([0.05, 1.0]))), size=count)
    return Observation(torch.zeros(count, 1, 2, 2), probabilities=torch.from_numpy(rows)), Setting()


def fid(observation: Observation, setting: Setting) -> float:
    made, real = _features(observation, setting)
    moments = [torch.from_numpy(part) for values in (made, real) for part in (values.mean(0), np.atleast_2d(np.cov(values, rowvar=False)))]
    return float(_compute_fid(*moments))


def kid(observation: Observation, setting: Setting) -> float:
    made, real = _features(observation, setting)
    within = [(kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1)) for kernel in map(_kernel, (made, real))]
    return sum(within) - 2 * _kernel(made, real).mean()


def kid_resampled(observation: Observation, setting: Setting, rows: torch.Tensor) -> float:
    """Over the pairs of places in the selection that hold different pictures."""
    made, real = _features(observation, setting)
    chosen = rows.numpy()
    different = chosen[:, None] != chosen[None]
    return float(_kernel(made[chosen])[different].mean() + kid(observation, setting) - _kernel_means(made, real, chosen))


def _kernel_means(made: np.ndarray, real: np.ndarray, chosen: np.ndarray) -> float:
    """What of ``kid`` a selection changes."""
    kernel = _kernel(made)
    within = (kernel.sum() - np.trace(kernel)) / (len(kernel) * (len(kernel) - 1))
    return float(within - 2 * _kernel(made, real).mean() + 2 * _kernel(made[chosen], real).mean())


def _kernel(first: np.ndarray, second: np.ndarray | None = None) -> np.ndarray:
    return polynomial_kernel(first, second, degree=3, coef0=1)


def precision(observation: Observation, setting: Setting) -> float:
    made, real = _features(observation, setting)
    return float((cdist(made, real) <= _radii(real)).any(1).mean())


def recall(observation: Observation, setting: Setting) -> float:
    made, real = _features(observation, setting)
    return float((cdist(real, made) <= _radii(made)).any(1).mean())


def recall_resampled(observation: Observation, setting: Setting, rows: torch.Tensor) -> float:
    made, real = _features(observation, setting)
    chosen = rows.numpy()
    return float((cdist(real, made[chosen]) <= _radii(made)[chosen]).any(1).mean())


def _radii(values: np.ndarray) -> np.ndarray:
    # The nearest of all is the point itself.
    return np.sort(cdist(values, values), axis=1)[:, 3]


def miou(observation: Observation, setting: Setting) -> float:
    true, found = _pixels(observation)
    occurring = np.intersect1d(np.union1d(true, found), np.arange(setting.classes))
    return float(jaccard_score(true, found, labels=occurring, average="macro"))


def pixel_accuracy(observation: Observation, setting: Setting) -> float:
    del setting
    return float(accuracy_score(*_pixels(observation)))


def _pixels(observation: Observation) -> tuple[np.ndarray, np.ndarray]:
    """Return each labelled pixel's true class and the one that was found."""
    assert observation.confusion is not None
    pairs = observation.confusion.sum(0).numpy()
    true, found = np.indices(pairs.shape).reshape(2, -1).repeat(pairs.reshape(-1), axis=1)
    return true, found


def inception_score(observation: Observation, setting: Setting) -> float:
    del setting
    assert observation.probabilities is not None
    rows = observation.probabilities.numpy()
    return float(np.exp(np.mean([entropy(row, rows.mean(0)) for row in rows])))


def psnr(observation: Observation, setting: Setting) -> float:
    found = [
        100.0 if np.array_equal(made, true) else min(100.0, peak_signal_noise_ratio(true, made, data_range=255))
        for made, true in _pairs(observation, setting)
    ]
    return float(np.mean(found))


def ssim(observation: Observation, setting: Setting) -> float:
    found = [
        structural_similarity(
            true, made, data_range=255, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for made, true in _pairs(observation, setting)
    ]  # fmt: skip
    return float(np.mean(found))


def lpips(observation: Observation, setting: Setting) -> float:
    del setting
    pair = (values.expand(-1, 3, -1, -1) for values in (observation.pictures, observation.target) if values is not None)
    return float(by_hand("lpips_alex").distances(*pair).mean())


def vol(observation: Observation, setting: Setting) -> float:
    del setting
    found = []
    for picture in _bytes(observation.pictures):
        # OpenCV's whole numbers for 0.299, 0.587 and 0.114.
        grey = picture[..., 0] if picture.shape[-1] == 1 else (picture @ np.array([9798, 19235, 3735]) + 2**14) // 2**15
        found.append(ndimage.laplace(grey.astype(np.float64), mode="mirror").var())
    return float(np.mean(found))


def _features(observation: Observation, setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    assert observation.features is not None and setting.reference is not None and setting.reference.features is not None
    return observation.features.numpy(), setting.reference.features.numpy()


def _bytes(values: torch.Tensor) -> np.ndarray:
    return np.ascontiguousarray(((values + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())


def _pairs(observation: Observation, setting: Setting) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return each picture and its target, (H, W, C) in 0..255, as they are to be compared."""
    assert observation.target is not None
    config, pairs = setting.pixels, []
    for pair in zip(_bytes(observation.pictures), _bytes(observation.target), strict=True):
        kept = slice(config.border, -config.border or None)
        luma = config.channel == "y" and pair[0].shape[-1] == 3
        made, true = ((rgb2ycbcr(one)[..., :1] if luma else one.astype(np.float64))[kept, kept] for one in pair)
        pairs.append((made, true))
    return pairs
