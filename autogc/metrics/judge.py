"""The judge: the two scores of a generator on a split, always by the same networks and against the same real images."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from autogc.config.experiment import ScoresConfig
from autogc.data import Dataset, Split
from autogc.errors import MetricError
from autogc.files import sha256_json
from autogc.metrics import storage
from autogc.metrics.fid import Reference
from autogc.metrics.miou import confusion_matrix, mean_iou
from autogc.metrics.networks import Networks
from autogc.progress import Progress, Silent

METRICS = ("fid", "miou")
QUANTISATION = "pictures are rounded to 8 bits, as they would be saved"
REFERENCE_BATCH = 32


@dataclass(frozen=True)
class RealImages:
    """What the judge knows of a split's real images: their features and their own mIoU, which no generator should expect to pass."""

    reference: Reference
    ceiling_miou: float | None
    reference_hash: str


class Judge:
    """Scores generators. It pickles with its networks and the reference statistics that it has, and needs no files then."""

    def __init__(self, networks: Networks, *, data: Dataset, seed: int, device: torch.device, directory: Path | None) -> None:
        self.networks = networks
        self.device = device
        self.seed = seed
        self.classes = len(data.class_names)
        self.ignore_index = data.ignore_index
        self.directory = directory
        self._hashes = networks.hashes()
        self._real: dict[str, RealImages] = {}
        self.to(device)

    @classmethod
    def prepare(
        cls,
        scores: ScoresConfig,
        data: Dataset,
        directory: Path,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        progress: Progress | None = None,
    ) -> Judge:
        """Load the judge from ``directory``, or train its networks and write it there, whole or not at all.

        Raises ``ConfigError`` for networks that cannot judge this dataset, ``RunDirectoryError`` when ``directory`` holds the judge of
        other settings or another dataset, ``CheckpointError`` when its files were changed.
        """
        device = torch.device(device)
        networks = Networks.build(scores, data, seed=seed)
        settings = storage.settings_of(scores, data, seed=seed)
        if storage.exists(directory):
            storage.load(directory, networks, settings=settings)
        else:
            networks.fit(data, seed=seed, device=device, progress=progress or Silent())
            storage.write(directory, networks, settings=settings)
        return cls(networks, data=data, seed=seed, device=device, directory=directory)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The scores that this judge can give: ``fid`` (lower is better), ``miou`` (0..1, higher is better)."""
        return METRICS if self.networks.segmenter is not None else ("fid",)

    def to(self, device: torch.device | str) -> Judge:
        """Move the judge's networks to ``device``."""
        self.device = torch.device(device)
        for network in self.networks.distinct:
            network.to(self.device).eval().requires_grad_(False)
        return self

    def score(
        self,
        generate: Callable[[Tensor], Tensor],
        split: Split,
        *,
        metrics: Iterable[str] | None = None,
        images: int | None = None,
        batch_size: int = 16,
    ) -> dict[str, float]:
        """Return the scores of ``generate`` on the first ``images`` samples of ``split``.

        It maps inputs (N, C, H, W) on the judge's device to pictures (N, 3, H, W) in [-1, 1]. Without ``metrics``, all that the judge can
        give. Raises ``MetricError`` for pictures that hold NaN or infinity or have another size, for fewer than two images, and for a
        metric that this judge cannot give.
        """
        wanted = self._known(metrics)
        real = self.real_images(split, images=images) if "fid" in wanted else None
        features, confusion = self._judge(generate, split, images=images, batch_size=batch_size, wanted=wanted)
        found: dict[str, float] = {}
        if real is not None:
            found["fid"] = real.reference.distance(features)
        if "miou" in wanted:
            found["miou"] = mean_iou(confusion)
        return found

    def real_images(self, split: Split, *, images: int | None = None) -> RealImages:
        """Return the statistics of the first ``images`` real images of ``split``.

        They are computed once, then kept in memory and beside the networks. Call it before sending the judge to workers, which get
        them with it.
        """
        key = self._key(split, images)
        if key not in self._real:
            stored = storage.load_real(self.directory, key)
            if stored is None:
                features, confusion = self._judge(None, split, images=images, batch_size=REFERENCE_BATCH, wanted=self.metrics)
                ceiling = mean_iou(confusion) if "miou" in self.metrics else None
                stored = features, ceiling
                storage.write_real(self.directory, key, features=features, ceiling=ceiling)
            self._real[key] = RealImages(reference=Reference(stored[0]), ceiling_miou=stored[1], reference_hash=key)
        return self._real[key]

    def provenance(self, split: Split, images: int | None = None) -> dict[str, Any]:
        """Return what must be said beside a score for it to mean anything."""
        real = self.real_images(split, images=images)
        return {
            "split": split.name,
            "images": self._count(split, images),
            "dataset_fingerprint": split.dataset,
            "reference_hash": real.reference_hash,
            "ceiling_miou": real.ceiling_miou,
            "resizing": "none before the networks, whose labels say their own: " + QUANTISATION,
            "seed": self.seed,
            **self.networks.described(),
        }

    def __getstate__(self) -> dict[str, Any]:
        # The directory is on the machine that prepared the judge; nobody else writes there. And who receives it may have no GPU.
        networks = copy.deepcopy(self.networks)
        for network in networks.distinct:
            network.to("cpu")
        return self.__dict__ | {"directory": None, "networks": networks, "device": torch.device("cpu")}

    def _known(self, metrics: Iterable[str] | None) -> tuple[str, ...]:
        wanted = self.metrics if metrics is None else tuple(metrics)
        for name in wanted:
            if name not in self.metrics:
                why = ": the experiment names no segmenter" if name == "miou" else ""
                raise MetricError(f"this judge gives {' and '.join(self.metrics)}, not {name!r}{why}")
        return wanted

    def _count(self, split: Split, images: int | None) -> int:
        count = len(split) if images is None else min(images, len(split))
        if count < 2:
            raise MetricError(f"scores need at least 2 images, and {count} of the {split.name} split's {len(split)} were asked for")
        return count

    def _key(self, split: Split, images: int | None) -> str:
        return sha256_json(
            {
                "networks": self._hashes,
                "data": split.dataset,
                "split": split.name,
                "images": self._count(split, images),
            }
        )

    def _judge(
        self, generate: Callable[[Tensor], Tensor] | None, split: Split, *, images: int | None, batch_size: int, wanted: tuple[str, ...]
    ) -> tuple[Tensor, Tensor]:
        """Return features (n, D), float64, and the confusion matrix: of generated pictures, or without ``generate`` of the real ones."""
        found: list[Tensor] = []
        confusion = torch.zeros(self.classes, self.classes, dtype=torch.int64)
        with torch.inference_mode():
            for batch in split.batches(batch_size, limit=self._count(split, images)):
                if generate is None:
                    pictures = batch.target.to(self.device)
                else:
                    pictures = _checked(generate(batch.input.to(self.device)), batch.target, names=batch.names)
                if "fid" in wanted:
                    found.append(self.networks.features.features(pictures).double().cpu())
                if "miou" in wanted:
                    assert self.networks.segmenter is not None and batch.labels is not None
                    prediction = self.networks.segmenter.segment(pictures).cpu()
                    confusion += confusion_matrix(prediction, batch.labels, classes=self.classes, ignore_index=self.ignore_index)
        # Out of inference mode, or nothing that comes of them could be used with gradients or pickled for later use.
        return torch.cat(found).clone() if found else torch.empty(0, 0, dtype=torch.float64), confusion


def _checked(pictures: Tensor, target: Tensor, *, names: list[str]) -> Tensor:
    """Return the pictures rounded to 8 bits; raises ``MetricError`` for what cannot be a picture of ``target``'s size."""
    if pictures.shape != target.shape:
        raise MetricError(f"the generator made {tuple(pictures.shape)}, the real images are {tuple(target.shape)}")
    finite = torch.isfinite(pictures).flatten(1).all(1)
    if not finite.all():
        first = names[int((~finite).nonzero()[0])]
        raise MetricError(
            f"the generator's picture for {first!r} holds NaN or infinity ({int((~finite).sum())} of {len(names)} in its batch do)"
        )
    return pictures.float().clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1)
