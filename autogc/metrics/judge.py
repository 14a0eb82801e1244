"""The judge: the scores of a generator on a split, always by the same networks and against the same real images."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from autogc.config.experiment import ScoresConfig
from autogc.data import Dataset, Split
from autogc.device_lock import working
from autogc.errors import MetricError
from autogc.files import sha256_json
from autogc.inference import Precision, full_float32, in_precision, keeping_memory, suited_format
from autogc.metrics import statistics, storage
from autogc.metrics.assessment import Assessment, FirstLook, Look, assessment
from autogc.metrics.catalogue import METRICS, lacking, too_few
from autogc.metrics.frechet import Reference
from autogc.metrics.metric import Metric, Setting
from autogc.metrics.networks import Networks
from autogc.metrics.observing import checked, observed
from autogc.metrics.real_images import RealImages, feed, judge_real, needs_of
from autogc.metrics.statistics import Statistics
from autogc.progress import Progress, Silent

QUANTISATION = "pictures are rounded to 8 bits, as they would be saved"


class Judge:
    """Scores generators. It pickles with its networks and the reference statistics that it has, and needs no files then."""

    def __init__(
        self, networks: Networks, *, scores: ScoresConfig, data: Dataset, seed: int, device: torch.device, directory: Path | None
    ) -> None:
        self.networks = networks
        self.device = device
        self.seed = seed
        self.directory = directory
        self.resamples = scores.bootstrap
        self._setting = Setting.of(scores, data, seed=seed)
        self._offers = networks.offers(data, scores.pixels)
        self._hashes = networks.hashes()
        self._real: dict[str, RealImages] = {}
        # Statistics from files, in the place of the real pictures' features, by the split that they are for.
        self.statistics: dict[str, Statistics] = {}
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
        discriminator: Callable[[], nn.Module] | None = None,
    ) -> Judge:
        """Load the judge from ``directory``, or train its networks and write it there, whole or not at all.

        ``discriminator`` gives the one that was trained with the teacher to a network that judges by it; what it learned is kept in
        ``directory`` too, and only its architecture is asked for later.

        Raises ``ConfigError`` for networks that cannot judge this dataset, ``RunDirectoryError`` when ``directory`` holds the judge of
        other settings or another dataset, ``CheckpointError`` when its files were changed or published weights cannot be had.
        """
        device = torch.device(device)
        networks = Networks.build(scores, data, seed=seed)
        networks.fetch(progress or Silent())
        networks.take(discriminator)
        # Before anything is trained, as far as it can be known then.
        given = statistics.given(scores, networks, data, trained=False)
        settings = storage.settings_of(scores, data, seed=seed)
        if given:
            settings["reference"] = {split: one.sha256 for split, one in given.items()}
        if storage.exists(directory):
            storage.load(directory, networks, settings=settings)
        else:
            networks.fit(data, seed=seed, device=device, progress=progress or Silent())
            storage.write(directory, networks, settings=settings)
        judge = cls(networks, scores=scores, data=data, seed=seed, device=device, directory=directory)
        judge.statistics = statistics.given(scores, networks, data, trained=True)
        return judge

    @property
    def metrics(self) -> tuple[str, ...]:
        """The scores that this judge can give of ``METRICS``, which say what each is and which direction is better."""
        return tuple(name for name in METRICS if not lacking(name, self._offers))

    def sharing(self, names: Iterable[str], split: Split, *, images: int | None = None) -> tuple[str, ...]:
        """Return ``names`` and the other metrics that the same forward passes over the first ``images`` of a split give as well."""
        wanted = self._known(names)
        needs = set(needs_of(wanted))
        if "features" in needs and "real_features" in self._offers:
            needs.add("real_features")
        others = [name for name in self.metrics if name not in wanted and METRICS[name].needs and METRICS[name].needs <= needs]
        real = self.real_images(split, images=images).images if needs & {"features", "real_features"} else None
        short = too_few(others, self._setting, generated=self._count(split, images), real=real)
        return (*wanted, *(name for name in others if name not in short))

    def to(self, device: torch.device | str) -> Judge:
        """Move the judge's networks to ``device``."""
        self.device = torch.device(device)
        for network in self.networks.distinct:
            network.to(self.device).eval().requires_grad_(False)
            network.to(memory_format=suited_format(network))  # type: ignore[call-overload]  # as its documentation has it
        return self

    def score(
        self,
        generate: Callable[[Tensor], Tensor],
        split: Split,
        *,
        metrics: Iterable[str] | None = None,
        images: int | None = None,
        batch_size: int = 16,
        precision: Precision = "float32",
        look: Look | None = None,
        resamples: int | None = None,
    ) -> Assessment:
        """Return the scores of ``generate`` on the first ``images`` samples of ``split``, the networks computing in ``precision``.

        It maps inputs (N, Cin, h, w) on the judge's device to pictures (N, C, H, W) in [-1, 1]. Without ``metrics``, all that the judge
        can give of so many pictures. With a ``look`` it may end after the first ones; ``resamples`` are those of the intervals,
        in place of the experiment's. Raises ``MetricError`` for pictures that hold NaN or
        infinity or have another size, for fewer images than a named metric can bear, and for a metric that this judge cannot give.
        """
        wanted = self._known(metrics)
        count = self._count(split, images)
        needs = needs_of(wanted)
        setting = self._setting
        real = self.real_images(split, images=images) if needs & {"features", "real_features"} else None
        short = too_few(wanted, setting, generated=count, real=None if real is None else real.images)
        if metrics is None and len(short) < len(wanted):
            wanted = tuple(name for name in wanted if name not in short)
        elif short:
            raise MetricError("; ".join(short.values()))
        if real is not None:
            setting = replace(setting, reference=real.reference)
        running = [METRICS[name](setting) for name in wanted]
        judged, first = 0, None
        devices = [self.device] if self.device.type == "cuda" else []
        drawing = torch.random.fork_rng(devices=devices)
        with working(str(self.device)), keeping_memory(), full_float32(), torch.inference_mode(), drawing:
            torch.manual_seed(self.seed)  # a generator that draws noise draws the same whatever was scored before
            for batch in split.batches(batch_size, limit=count):
                pictures = checked(generate(batch.input.to(self.device)), batch.target, names=batch.names)
                target = batch.target.to(self.device) if "pairs" in needs else None
                with in_precision(precision, self.device):
                    seen = observed(self.networks, pictures, needs, self._setting, target=target, labels=batch.truth)
                feed(running, seen)
                judged += len(pictures)
                if look is not None and first is None and look.images <= judged < count:
                    first = FirstLook(judged, _so_far(running, judged, setting))
                    if not look.go_on(first.scores):
                        return Assessment({}, first=first)
        return replace(assessment(running, resamples=self.resamples if resamples is None else resamples, seed=self.seed), first=first)

    def real_images(self, split: Split, *, images: int | None = None) -> RealImages:
        """Return the statistics of the real images that ``split``'s generated ones are compared with.

        Those of the first ``images`` samples where they are paired, otherwise all that there are; those of a file, where the experiment
        names one for the split. They are computed once, then kept in memory and beside the networks. Call it before sending the judge to
        workers, which get them with it.
        """
        key = self._key(split, images)
        if key not in self._real:
            stored = storage.load_real(self.directory, key)
            if stored is None:
                with working(str(self.device)):
                    stored = self._judge_real(split, limit=self._count(split, images))
                storage.write_real(self.directory, key, reference=stored[0], images=stored[1], scores=stored[2])
            reference, there, scores = stored
            given = self.statistics.get(split.name)
            if given is None:
                self._real[key] = RealImages(reference, images=there, scores=scores, reference_hash=key)
            else:
                self._real[key] = RealImages(given.reference, given.images, scores, given.sha256, statistics=given.described)
        return self._real[key]

    def provenance(self, split: Split, images: int | None = None) -> dict[str, Any]:
        """Return what must be said beside a score for it to mean anything."""
        real = self.real_images(split, images=images)
        protocols = {name: METRICS[name].protocol(self._setting) for name in self.metrics}
        return {
            "split": split.name,
            "images": self._count(split, images),
            "reference_images": real.images,
            "dataset_fingerprint": split.dataset,
            "reference_hash": real.reference_hash,
            "reference_statistics": real.statistics,
            "real_scores": real.scores,
            "label_size": None if self.networks.segmenter is None else split.label_size,
            "protocols": {name: said for name, said in protocols.items() if said is not None},
            "left_out": too_few(self.metrics, self._setting, generated=self._count(split, images), real=real.images),
            "resizing": "none before the networks, whose labels say their own: " + QUANTISATION,
            "bootstrap_resamples": self.resamples,
            "seed": self.seed,
            **self.networks.described(self._hashes),
        }

    def __getstate__(self) -> dict[str, Any]:
        # The directory is on the machine that prepared the judge; nobody else writes there. And who receives it may have no GPU.
        networks = copy.deepcopy(self.networks)
        for network in networks.distinct:
            network.to("cpu")
        return self.__dict__ | {"directory": None, "networks": networks, "device": torch.device("cpu")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.to(self.device)  # the layout of weights does not survive every way of pickling

    def _known(self, metrics: Iterable[str] | None) -> tuple[str, ...]:
        wanted = self.metrics if metrics is None else tuple(metrics)
        for name in wanted:
            if name not in self.metrics:
                why = f": {'; '.join(lacking(name, self._offers))}" if name in METRICS else ""
                raise MetricError(f"this judge gives {' and '.join(self.metrics)}, not {name!r}{why}")
        return wanted

    def _count(self, split: Split, images: int | None) -> int:
        count = len(split) if images is None else min(images, len(split))
        if count < 1:
            raise MetricError(f"scores need images, and {count} of the {split.name} split's {len(split)} were asked for")
        return count

    def _key(self, split: Split, images: int | None) -> str:
        # Real pictures that belong to no sample are all compared with, however many are generated.
        count = self._count(split, images) if split.paired else None
        protocols = {name: METRICS[name].protocol(self._setting) for name in self.metrics if METRICS[name].on_real}
        networks = self.networks.described(self._hashes)  # labels too: they say how pictures are shown, which no weights do
        key = {"networks": networks, "data": split.dataset, "split": split.name, "images": count, "protocols": protocols}
        given = self.statistics.get(split.name)
        return sha256_json(key if given is None else key | {"reference": given.sha256})

    def _judge_real(self, split: Split, *, limit: int) -> tuple[Reference | None, int, dict[str, float]]:
        return judge_real(
            split,
            limit=limit,
            networks=self.networks,
            metrics=[METRICS[name](self._setting) for name in self.metrics if METRICS[name].on_real],
            setting=self._setting,
            device=self.device,
            referenced=split.name not in self.statistics and "features" in self._offers,
            given=split.name in self.statistics,
        )


def _so_far(metrics: Iterable[Metric], images: int, setting: Setting) -> dict[str, float]:
    """Return the scores of so few images; what they can't give, such as the IoU of classes that none of them shows, is left out."""
    found = {}
    for metric in metrics:
        if images >= metric.fewest(setting):
            with suppress(MetricError):
                found[metric.name] = metric.value()
    return found
