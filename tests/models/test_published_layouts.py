"""Every published layout, built anew and saved, is imported as a network that computes the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from published_networks import (
    Leftthomas,
    Lornatang,
    LornatangDiscriminator,
    MultiScale,
    Resnet,
    Spade,
    SpectralConv,
    StarganDiscriminator,
    Twtygqyy,
    Unet,
    batch,
    dcgan_discriminator,
    dcgan_generator,
    filled,
    instance,
    leftthomas_discriminator,
    patchgan,
    pixel,
    resnet,
    stargan_generator,
)
from torch import Tensor, nn

from autogc.models import DISCRIMINATORS, GENERATORS, as_verdict
from autogc.models.published import IMPORTERS
from autogc.training.weights import load_weights

MOBILE = [4, 12, 16, *[16] * 3, *[24] * 3, *[8] * 3, 8, 8]  # 4_6_4_4_6_2_4_8, of base 8
LEGACY = [4, 12, 16, *[24, 16, 16] * 3, 8, 8]


def picture(side: int = 32, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, side, side) * 2 - 1


def label_map(side: int = 64) -> Tensor:
    classes = torch.randint(5, (2, 1, side, side))
    return torch.zeros(2, 5, side, side).scatter_(1, classes, 1) * 2 - 1


def to_unit(x: Tensor) -> Tensor:
    return (x + 1) / 2


def from_unit(x: Tensor) -> Tensor:
    return 2 * x - 1


def as_it_is(x: Any) -> Any:
    return x


@dataclass(frozen=True)
class Published:
    """A published network, our builder's name and arguments for it, an input of ours, and how the other's input and output differ."""

    network: Callable[[], nn.Module]
    name: str
    args: dict[str, Any] = field(default_factory=dict)
    feed: Callable[[], Tensor] = picture
    before: Callable[[Tensor], Tensor] = as_it_is
    after: Callable[[Any], Any] = as_it_is


GENERATOR_FILES = {
    "resnet-9": Published(lambda: resnet(4, 9), "resnet", {"base_channels": 4}),
    "resnet-6-dropout": Published(lambda: resnet(4, 6, dropout=True), "resnet", {"base_channels": 4, "blocks": 6, "dropout": 0.5}),
    "resnet-batch": Published(lambda: resnet(4, 6, batch), "resnet", {"base_channels": 4, "blocks": 6, "norm": "batch"}),
    "resnet-batch-dropout": Published(
        lambda: resnet(4, 2, batch, dropout=True), "resnet", {"base_channels": 4, "blocks": 2, "norm": "batch"}
    ),
    "mobile-9": Published(lambda: resnet(4, 9, dropout=True, separable=True), "mobile_resnet", {"base_channels": 4}),
    "mobile-subnet": Published(
        lambda: Resnet(MOBILE, dropout=True, separable=True), "mobile_resnet", {"base_channels": 8, "config_str": "4_6_4_4_6_2_4_8"}
    ),
    "mobile-legacy-subnet": Published(
        lambda: Resnet(LEGACY, dropout=True, separable=True),
        "mobile_resnet",
        {"base_channels": 8, "config_str": "4_6_4_6_4_8", "legacy_config": True},
    ),
    "unet-256": Published(lambda: Unet(2, 8), "unet", {"base_channels": 2}, lambda: picture(256)),
    "unet-128-no-dropout": Published(lambda: Unet(2, 7, dropout=False), "unet", {"base_channels": 2, "downs": 7}, lambda: picture(128)),
    "unet-instance": Published(
        lambda: Unet(2, 5, instance), "unet", {"base_channels": 2, "downs": 5, "norm": "instance"}, lambda: picture(64)
    ),
    "spade": Published(lambda: Spade(5, 2), "spade", {"base_channels": 2, "hidden_channels": 8}, label_map, to_unit),
    "spade-more": Published(
        lambda: Spade(5, 2, upsampling="more"),
        "spade",
        {"base_channels": 2, "hidden_channels": 8, "upsampling": "more"},
        label_map,
        to_unit,
    ),
    "spade-most-instance": Published(
        lambda: Spade(5, 2, upsampling="most", norm=instance, spectral=False),
        "spade",
        {"base_channels": 2, "hidden_channels": 8, "upsampling": "most", "norm": "instance", "spectral_norm": False},
        lambda: label_map(256),
        to_unit,
    ),
    "spade-folded": Published(
        lambda: Spade(5, 2), "spade", {"base_channels": 2, "hidden_channels": 8, "spectral_norm": False}, label_map, to_unit
    ),
    "mobile-spade": Published(lambda: Spade(5, 2, hidden=4, separable=True), "mobile_spade", {"base_channels": 2}, label_map, to_unit),
    "dcgan": Published(lambda: dcgan_generator(10, 4), "dcgan", {"base_channels": 4}, lambda: torch.randn(2, 10, 1, 1)),
    "stargan": Published(
        lambda: stargan_generator(4, 4, 6),
        "stargan",
        {"base_channels": 4},
        lambda: torch.cat([picture(16), torch.randint(2, (2, 4, 1, 1)).float().expand(2, 4, 16, 16)], 1),
    ),
    "srresnet-leftthomas": Published(
        lambda: Leftthomas(4, 2), "srresnet", {"base_channels": 4, "blocks": 5}, lambda: picture(8), to_unit, from_unit
    ),
    "srresnet-leftthomas-8": Published(
        lambda: Leftthomas(4, 3), "srresnet", {"base_channels": 4, "blocks": 5, "scale": 8}, lambda: picture(8), to_unit, from_unit
    ),
    "srresnet-lornatang": Published(
        lambda: Lornatang(4, 3, prefix="conv"),
        "srresnet",
        {"base_channels": 4, "blocks": 3, "output": "linear"},
        lambda: picture(8),
        to_unit,
        from_unit,
    ),
    "srresnet-lornatang-2022": Published(
        lambda: Lornatang(4, 3, prefix="conv_block"),
        "srresnet",
        {"base_channels": 4, "blocks": 3, "output": "linear"},
        lambda: picture(8),
        to_unit,
        from_unit,
    ),
    "srresnet-twtygqyy": Published(
        lambda: Twtygqyy(4, 3),
        "srresnet",
        {"base_channels": 4, "blocks": 3, "output": "linear"},
        lambda: picture(8),
        to_unit,
        from_unit,
    ),
}
DISCRIMINATOR_FILES = {
    "patchgan": Published(lambda: patchgan(6, 4, instance), "patchgan", {"base_channels": 4}, lambda: picture(64, 6)),
    "patchgan-batch": Published(lambda: patchgan(3, 4, batch), "patchgan", {"base_channels": 4, "norm": "batch"}, lambda: picture(64)),
    "pixel": Published(lambda: pixel(3, 4, instance), "pixel", {"base_channels": 4}),
    "pixel-batch": Published(lambda: pixel(3, 4, batch), "pixel", {"base_channels": 4, "norm": "batch"}),
    "multi-scale": Published(lambda: MultiScale(6, 4), "multi_scale", {"base_channels": 4}, lambda: picture(64, 6)),
    "multi-scale-plain": Published(
        lambda: MultiScale(6, 4, spectral=False), "multi_scale", {"base_channels": 4, "spectral_norm": False}, lambda: picture(64, 6)
    ),
    "dcgan": Published(lambda: dcgan_discriminator(2), "dcgan", {"base_channels": 2}, lambda: picture(64)),
    "stargan": Published(
        lambda: StarganDiscriminator(32, 2, 4, 3), "stargan", {"base_channels": 2, "layers": 3, "height": 32, "width": 32, "domains": 4}
    ),
    "srgan-leftthomas": Published(lambda: leftthomas_discriminator(2), "srgan", {"base_channels": 2}),
    "srgan-lornatang": Published(
        lambda: LornatangDiscriminator(2, 32), "srgan", {"base_channels": 2, "head": "dense", "height": 32, "width": 32}
    ),
}


def settled(network: nn.Module) -> nn.Module:
    """Fill the network, and bring the singular vectors of spectrally normalised weights to where training would have."""
    filled(network)
    for part in network.modules():
        if isinstance(part, SpectralConv):
            part.settle()
    return network


def build(registry: Any, published: Published) -> nn.Module:
    channels = {"in_channels": published.feed().shape[1]} | ({"out_channels": 3} if registry is GENERATORS else {})
    return registry.build(published.name, {**published.args, **channels}).eval()


def outputs(given: Any) -> list[Tensor]:
    if isinstance(given, list | tuple) and not hasattr(given, "logits"):
        return list(given)
    verdict = as_verdict(given)
    return [*verdict.logits, *([verdict.classes] if verdict.classes is not None else [])]


class Notes:
    def __init__(self) -> None:
        self.said: list[str] = []

    def start(self, task: str, *, total: int, done: int = 0) -> None: ...

    def update(self, done: int, **figures: float) -> None: ...

    def note(self, text: str) -> None:
        self.said.append(text)


@pytest.mark.parametrize("key", [*[f"G {key}" for key in GENERATOR_FILES], *[f"D {key}" for key in DISCRIMINATOR_FILES]])
def test_a_published_file_computes_what_the_published_network_does(key: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    kind, _, name = key.partition(" ")
    registry, published = (GENERATORS, GENERATOR_FILES[name]) if kind == "G" else (DISCRIMINATORS, DISCRIMINATOR_FILES[name])
    network = settled(published.network())
    torch.save(network.state_dict(), tmp_path / "latest_net.pth")
    ours, notes = build(registry, published), Notes()
    load_weights(ours, tmp_path / "latest_net.pth", what="the network", progress=notes)
    x = published.feed().double()
    network, ours = network.double(), ours.double()
    with torch.no_grad():
        expected = [published.after(y) for y in outputs(network(published.before(x)))]
        found = outputs(ours(x))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert other.std() > 1e-3, "the published network must tell inputs and weights apart"
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    own_names = kind == "D" and name.startswith("patchgan")
    assert bool(notes.said) != own_names


def test_every_family_has_an_importer_and_a_row() -> None:
    rows = {GENERATORS: GENERATOR_FILES, DISCRIMINATORS: DISCRIMINATOR_FILES}
    for registry, files in rows.items():
        assert {published.name for published in files.values()} == set(registry)
        assert {type(build(registry, published)) for published in files.values()} <= set(IMPORTERS)
