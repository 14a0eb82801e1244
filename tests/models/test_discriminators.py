"""What tells a published discriminator from one that only has its size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from autogc.errors import ConfigError
from autogc.models import DISCRIMINATORS, Verdict


def critic(name: str, inputs: int = 3, **args: Any) -> nn.Module:
    torch.manual_seed(0)
    offered = {"height": 64, "width": 64, "domains": 3}
    return DISCRIMINATORS.build(name, args, offered=offered, in_channels=inputs)


def biased(module: nn.Module) -> set[str]:
    return {name for name, part in module.named_modules() if isinstance(part, nn.Conv2d) and part.bias is not None}


def test_stargan_discriminator_follows_the_datasets_size() -> None:
    wide = DISCRIMINATORS.build(
        "stargan", {"base_channels": 2, "layers": 3}, offered={"height": 32, "width": 64, "domains": 4}, in_channels=3
    )
    verdict = wide(torch.rand(2, 3, 32, 64))
    assert isinstance(verdict, Verdict) and verdict.classes is not None
    assert verdict.classes.shape == (2, 4) and verdict.logits[0].shape == (2, 1, 4, 8)
    with pytest.raises(ConfigError, match="too often for 32x32; give it fewer layers"):
        DISCRIMINATORS.build("stargan", {}, offered={"height": 32, "width": 32, "domains": 4}, in_channels=3)
    with pytest.raises(ConfigError, match="no domains"):
        DISCRIMINATORS.build("stargan", {}, offered={"height": 64, "width": 64, "domains": 0}, in_channels=3)


def test_srgans_dense_head_is_for_one_size() -> None:
    module = critic("srgan", base_channels=2, head="dense")
    with pytest.raises(ConfigError, match="another size than 32x32; use head: pool"):
        module(torch.rand(1, 3, 32, 32))
    with pytest.raises(ConfigError, match="needs the height and width"):
        DISCRIMINATORS.build("srgan", {"head": "dense"}, in_channels=3)


def _field(module: nn.Module, side: int) -> tuple[int, int]:
    """Height and width of what one logit in the middle sees."""
    module = module.double().eval()
    for part in module.modules():
        if isinstance(part, nn.InstanceNorm2d):
            part.register_forward_hook(lambda part, inputs, output: inputs[0])  # normalisation sees the whole picture
    images = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    logits = module(images)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    assert images.grad is not None
    seen = images.grad[0].abs().sum(0) > 0
    return int(seen.any(0).sum()), int(seen.any(1).sum())


def test_receptive_fields() -> None:
    assert _field(critic("patchgan", base_channels=4), 128) == (70, 70)
    assert _field(critic("patchgan", base_channels=4, layers=2), 128) == (34, 34)
    assert _field(critic("pixel", base_channels=4), 16) == (1, 1)


def test_patchgan_normalises_inside() -> None:
    module = critic("patchgan", base_channels=4, norm="batch")
    assert biased(module) == {"model.0", "model.11"}
    spectral = critic("patchgan", base_channels=4, norm="none", spectral_norm=True)
    assert len([name for name in spectral.state_dict() if name.endswith("original")]) == 5


def test_multi_scale_is_one_network_for_each_scale_of_a_pyramid() -> None:
    module = critic("multi_scale", base_channels=4, scales=3).eval()
    images = torch.rand(2, 3, 64, 64)
    verdict = module(images)
    assert [len(scale) for scale in verdict.features] == [4, 4, 4]
    # Averages of 3x3 at every second pixel, of what of them lies in the picture.
    padded = F.pad(images, (1, 1, 1, 1))
    inside = F.pad(torch.ones_like(images), (1, 1, 1, 1))
    windows = [(rows, columns) for rows in range(3) for columns in range(3)]
    total = sum(padded[:, :, r : r + 64 : 2, c : c + 64 : 2] for r, c in windows)
    count = sum(inside[:, :, r : r + 64 : 2, c : c + 64 : 2] for r, c in windows)
    logits, features = module.scales[1](total / count)
    torch.testing.assert_close(verdict.logits[1], logits)
    torch.testing.assert_close(verdict.features[1], features)
    assert not torch.allclose(module.scales[0](images)[0], module.scales[1](images)[0])


def test_multi_scale_normalises_as_spade_does() -> None:
    module = critic("multi_scale", base_channels=4)
    spectral = {name.split(".parametrizations")[0] for name in module.state_dict() if "parametrizations" in name}
    assert spectral == {f"scales.{scale}.stages.{stage}.conv" for scale in (0, 1) for stage in (1, 2, 3)}
    assert biased(module) == {f"scales.{scale}.{part}" for scale in (0, 1) for part in ("stages.0.conv", "realness")}
    assert all(part.padding == (2, 2) for part in module.modules() if isinstance(part, nn.Conv2d))
