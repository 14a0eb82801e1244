"""The networks that judge pictures: what each can do, and the registries that an experiment file names them from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from autogc.data import Dataset
from autogc.progress import Progress
from autogc.registry import Registry


class JudgeNetwork(nn.Module):
    """A network that judges pictures (N, 3, H, W) in [-1, 1]: it has ``features``, or ``segment``, or both, or else ``distances``.

    ``label`` says what it is and is shown wherever one of its scores is. Its state dict is everything that its answers depend on.
    One that ``classifies`` also says which class a picture is of, in ``features_and_probabilities``. ``preprocessing`` names what it does
    to pictures first, where that is a choice: features are comparable where weights and preprocessing are the same.
    """

    label: str
    classifies: bool = False
    preprocessing: str = ""
    # Raised when it comes to judge in another way with the same weights, so that no run has scores of two ways.
    protocol: int = 1
    # Whether it is pytorch-fid's own network and resizing, which that project's statistics are of.
    pytorch_fid: bool = False
    # How many features it gives, where that is known before it has weights.
    channels: int | None = None

    def features(self, images: Tensor) -> Tensor:
        """Return features (N, D), float32."""
        raise NotImplementedError

    def features_and_probabilities(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, D) and the probabilities of the classes (N, K), each row adding up to 1; float32, from one forward pass."""
        raise NotImplementedError

    def segment(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        """Return the class of each pixel at ``size``, the labels' height and width, whatever that of the pictures: uint8 (N, *size).

        It is 255 (``IGNORE_INDEX``) where the network sees something that is none of the classes.
        """
        raise NotImplementedError

    def distances(self, pictures: Tensor, target: Tensor) -> Tensor:
        """Return how different each picture looks from its target, (N,), lower is better."""
        raise NotImplementedError

    @property
    def weights_hash(self) -> str:
        """SHA-256 over names, shapes and bytes of the state dict."""
        return hash_tensors(self.state_dict())


@runtime_checkable
class Trainable(Protocol):
    """A judging network that autogc trains on the dataset before its first use."""

    def fit(self, data: Dataset, *, seed: int, device: torch.device, progress: Progress) -> None:
        """Train on ``data.train``; the result is a function of the data, the arguments and the seed."""


@runtime_checkable
class OfTeacher(Protocol):
    """A judging network made of the discriminator that was trained with the run's teacher."""

    def take(self, discriminator: nn.Module) -> None:
        """Judge by it. Raises ``ConfigError`` where that cannot be."""


# A builder takes the file's ``args`` and, from the caller, ``data`` and ``seed``; ``ConfigError`` says that it cannot judge this dataset.
FEATURE_NETWORKS: Registry[JudgeNetwork] = Registry("feature network")
SEGMENTERS: Registry[JudgeNetwork] = Registry("segmenter")
SIMILARITIES: Registry[JudgeNetwork] = Registry("similarity network")


def hash_tensors(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of tensors, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
