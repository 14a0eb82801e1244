"""The feature network that FID is published with: Inception-v3, with the weights of pytorch-fid."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from autogc.data import Dataset
from autogc.errors import ConfigError
from autogc.files import sha256_file
from autogc.metrics.judge_networks.download import Published, given
from autogc.metrics.judge_networks.inception_v3 import STAGES, InceptionV3
from autogc.metrics.judge_networks.weights import COUNTER, read_state
from autogc.metrics.registry import FEATURE_NETWORKS, JudgeNetwork, hash_tensors

SIZE = (299, 299)
PUBLISHED = Published(
    name="pt_inception-2015-12-05-6726825d.pth",
    url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
    sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
    size=95_628_359,
    key="scores.feature_network.args.weights",
)
# How pictures come to 299x299. clean-fid: Parmar et al., "On Aliased Resizing and Surprising Subtleties in GAN Evaluation", CVPR 2022.
RESIZINGS = {
    "pytorch_fid": "pytorch-fid's resizing (bilinear without antialiasing, 299x299)",
    "clean_fid": "clean-fid's resizing (bicubic with antialiasing, 299x299)",
}


class FidInception(JudgeNetwork):
    """Pictures in [-1, 1] of any size, resized to 299 x 299, to the means of one stage's maps: (N, 64 | 192 | 768 | 2048).

    It classifies: probabilities of 1008 classes, the softmax of logits without their bias, which is how the Inception Score's own code has
    it (Salimans et al., NeurIPS 2016). It is without weights until it is filled. Batch normalisation is folded into the convolutions then,
    and everything is channels-last; the weights' hash stays that of the file's own tensors.
    """

    classifies = True
    channels: int

    def __init__(self, *, features: int = 2048, resizing: str = "pytorch_fid") -> None:
        super().__init__()
        self.channels, self.preprocessing = features, resizing
        self.label = f"Inception-v3 of FID, {PUBLISHED.name}, {self._protocol}"
        # On no device: weights that are not there take no memory, and none are drawn.
        with torch.device("meta"):
            self.net = InceptionV3()
        self._file_hash = self._folded_hash = self._file_sha256 = ""
        self.eval()

    @property
    def _protocol(self) -> str:
        where = {64: "first pooling", 192: "second pooling", 768: "before the auxiliary classifier", 2048: "pool3"}[self.channels]
        return f"{self.channels} features ({where}), {RESIZINGS[self.preprocessing]}; IS: softmax of 1008 logits without bias"

    @property
    def missing(self) -> Published | None:
        """The published file, as long as this network has no weights."""
        return None if self._file_hash else PUBLISHED

    @property
    def pytorch_fid(self) -> bool:  # type: ignore[override]  # decided by the file
        """Whether these are the published weights, shown pictures as pytorch-fid shows them."""
        return self._file_sha256 == PUBLISHED.sha256 and self.preprocessing == "pytorch_fid"

    def fill(self, path: Path) -> None:
        """Load a file of weights, the published ones or others of the same shapes; the label tells them apart.

        Raises ``CheckpointError``, naming tensors, for a file that does not fit.
        """
        self._file_sha256 = sha256_file(path)
        if self._file_sha256 != PUBLISHED.sha256:
            self.label = f"Inception-v3 with the weights of {path.name}, which are not the published FID weights, {self._protocol}"
        state = read_state(path, self.net, what="the Inception-v3 of FID (1008 classes)")
        state = {name: value.float() for name, value in state.items() if not name.endswith(COUNTER)}
        self._file_hash = hash_tensors(state)
        self.net.load_state_dict(state, strict=False, assign=True)
        self.net.eval().requires_grad_(False)
        self.net.fold().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as its documentation has it
        self._folded_hash = super().weights_hash

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the file's tensors, by name; of what is there instead where somebody changed that."""
        now = super().weights_hash
        return self._file_hash if now == self._folded_hash else now

    def preprocess(self, images: Tensor) -> Tensor:
        """Return pictures (N, 3, H, W) in [-1, 1] as the network is shown them, (N, 3, 299, 299)."""
        images = images.float()
        same = tuple(images.shape[-2:]) == SIZE
        if self.preprocessing == "clean_fid":
            pixels = (images + 1) * 127.5
            if not same:
                # Antialiased as Pillow does it, and like clean-fid's neither rounded nor clipped afterwards.
                pixels = functional.interpolate(pixels, SIZE, mode="bicubic", align_corners=False, antialias=True)
            images = (pixels - 128) / 128
        elif not same:
            # pytorch-fid resizes in 0..1 and scales then: the same, as a resized pixel is a weighted mean.
            images = functional.interpolate(images, SIZE, mode="bilinear", align_corners=False)
        return images.contiguous(memory_format=torch.channels_last)

    def features(self, images: Tensor) -> Tensor:
        """Return the means over the picture of the stage's maps; nothing behind that stage is computed."""
        maps = next(maps for channels, maps in self.net.maps(self.preprocess(images)) if channels == self.channels)
        return maps.float().mean((2, 3))

    def features_and_probabilities(self, images: Tensor) -> tuple[Tensor, Tensor]:
        means = {channels: maps.float().mean((2, 3)) for channels, maps in self.net.maps(self.preprocess(images))}
        return means[self.channels], self.net.logits(means[2048]).softmax(1)


@FEATURE_NETWORKS.register("inception_fid")
def inception_fid(
    *, weights: str | None = None, features: int = 2048, resizing: str = "pytorch_fid", data: Dataset, seed: int
) -> FidInception:
    """Return the Inception-v3 of FID, with the weights in the file ``weights``, or the published ones.

    Without ``weights`` the published file is looked for on this machine; where it is not there, the network comes back without weights,
    and they are downloaded before its first use. ``features``: 2048 (pool3, which FID means where nothing is said), 768, 192 or 64.
    ``resizing``: ``pytorch_fid`` or ``clean_fid``.

    Raises ``ConfigError`` for arguments that cannot be, ``CheckpointError`` for a file of the wrong hash or shapes.
    """
    del data, seed  # It judges any picture, and nothing is drawn.
    problems = []
    if features not in STAGES:
        problems.append(f"inception_fid: features must be one of {', '.join(map(str, STAGES))}, got {features!r}")
    if resizing not in RESIZINGS:
        problems.append(f"inception_fid: resizing must be one of {', '.join(RESIZINGS)}, got {resizing!r}")
    if problems:
        raise ConfigError(problems)
    network = FidInception(features=features, resizing=resizing)
    advice = f"give {PUBLISHED.name}, or leave weights out to have it downloaded"
    path = PUBLISHED.find() if weights is None else given(weights, network="inception_fid", advice=advice)
    if path is not None:
        network.fill(path)
    return network
