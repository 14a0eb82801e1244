"""What tells a published architecture from one that only has its size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autogc.errors import ConfigError
from autogc.models import DISCRIMINATORS, GENERATORS
from autogc.models.separable import SeparableConvolution
from autogc.models.spade import Spade


def generator(name: str, inputs: int = 3, outputs: int = 3, **args: Any) -> nn.Module:
    torch.manual_seed(0)
    return GENERATORS.build(name, args, in_channels=inputs, out_channels=outputs)


def convolutions(module: nn.Module) -> dict[str, nn.Conv2d | nn.ConvTranspose2d]:
    return {name: part for name, part in module.named_modules() if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d))}


def biased(module: nn.Module) -> set[str]:
    return {name for name, part in convolutions(module).items() if part.bias is not None}


def seen_by(module: nn.Module, part: str, given: Tensor) -> Tensor:
    """The input of a submodule while the module runs."""
    found: list[Tensor] = []
    handle = module.get_submodule(part).register_forward_pre_hook(lambda part, inputs: found.append(inputs[0].detach().clone()))
    with torch.no_grad():
        module(given)
    handle.remove()
    return found[0]


@pytest.mark.parametrize("name", ["resnet", "mobile_resnet"])
def test_resnet_has_biases_unless_batch_normalisation_follows(name: str) -> None:
    small = {"base_channels": 4, "blocks": 2}
    assert biased(generator(name, **small, norm="batch")) == {"head.conv"}
    for norm in ("instance", "instance_tracked", "none"):
        module = generator(name, **small, norm=norm)
        assert biased(module) == set(convolutions(module))


def test_tracked_instance_norm_evaluates_with_the_statistics_of_training() -> None:
    module = generator("resnet", base_channels=4, blocks=1, norm="instance_tracked")
    picture = torch.rand(1, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        before = module.eval()(picture)
        module.train()(torch.rand(4, 3, 16, 16))
        after = module.eval()(picture)
    assert not torch.allclose(before, after)
    assert not any("running" in name for name in generator("resnet", base_channels=4, blocks=1).state_dict())


def test_mobile_resnet_decomposes_what_is_asked_for_and_nothing_else() -> None:
    module = generator("mobile_resnet", base_channels=4, blocks=2)
    found = {name for name, part in module.named_modules() if isinstance(part, SeparableConvolution)}
    assert found == {f"blocks.{block}.conv{index}" for block in (0, 1) for index in (1, 2)}
    part = module.get_submodule("blocks.0.conv1")
    assert [name for name, _ in part.named_children()] == ["depthwise", "norm", "pointwise"]
    assert part.depthwise.groups == part.depthwise.in_channels == 16 and part.depthwise.kernel_size == (3, 3)
    assert part.pointwise.kernel_size == (1, 1) and isinstance(part.norm, nn.InstanceNorm2d)
    everything = generator("mobile_resnet", base_channels=4, blocks=1, decompose=["stem", "down", "blocks", "up", "head"])
    assert all(name.endswith(("depthwise", "pointwise")) for name in convolutions(everything))
    for wrong in (["bloks"], "bloks"):
        with pytest.raises(ConfigError, match="did you mean 'blocks'"):
            generator("mobile_resnet", decompose=wrong)


@pytest.mark.parametrize(("downs", "dropped"), [(8, [1, 2, 3]), (7, [1, 2]), (6, [1])])
def test_unet_drops_out_inside(downs: int, dropped: list[int]) -> None:
    module = generator("unet", base_channels=2, downs=downs)
    found = [index for index, up in enumerate(module.ups) if any(isinstance(part, nn.Dropout) for part in up)]
    assert found == dropped


def test_unet_normalises_between_its_ends() -> None:
    module = generator("unet", base_channels=2, downs=6)
    normed = [name for name, part in module.named_modules() if isinstance(part, nn.BatchNorm2d)]
    assert normed == [f"downs.{level}.norm" for level in range(1, 5)] + [f"ups.{step}.norm" for step in range(5)]
    assert biased(module) == {"ups.5.conv"}


def test_unet_joins_each_level_with_its_way_up() -> None:
    module = generator("unet", base_channels=2, downs=6).eval()
    picture = torch.rand(1, 3, 64, 64) * 2 - 1
    outputs: dict[str, Tensor] = {}
    for index, down in enumerate(module.downs):
        down.register_forward_hook(lambda part, inputs, output, index=index: outputs.update({f"down{index}": output}))
    for step in range(1, 6):
        joined = seen_by(module, f"ups.{step}", picture)
        skip = outputs[f"down{5 - step}"]
        assert torch.equal(joined[:, : skip.shape[1]], skip)


def test_unet_refuses_sides_that_it_cannot_halve() -> None:
    with pytest.raises(ConfigError, match="multiples of 64, got 96x64"):
        generator("unet", base_channels=2, downs=6)(torch.zeros(1, 3, 96, 64))


@pytest.mark.parametrize(("upsampling", "reduction"), [("normal", 32), ("more", 64), ("most", 128)])
def test_spade_starts_from_the_reduced_label_map(upsampling: str, reduction: int) -> None:
    module = generator("spade", 4, base_channels=2, hidden_channels=4, upsampling=upsampling).eval()
    classes = torch.randint(4, (1, 128, 256))
    given = F.one_hot(classes, 4).permute(0, 3, 1, 2).float() * 2 - 1
    seen = seen_by(module, "fc", given)
    # The network sees 0 and 1, as published, and of each square the pixel that nearest interpolation takes.
    assert torch.equal(seen, (given[:, :, ::reduction, ::reduction] + 1) / 2)
    assert torch.equal(seen_by(module, "up4.norm1.shared", given).unique(), torch.tensor([0.0, 1.0]))
    with pytest.raises(ConfigError, match=f"multiples of {reduction}, got 128x250"):
        module(given[..., :250])


def test_spade_modulates_normalised_features() -> None:
    torch.manual_seed(0)
    spade = Spade(6, 3, hidden_channels=5, norm="batch").train()
    x, labels = torch.randn(2, 6, 8, 8) * 3 + 1, torch.rand(2, 3, 16, 16)
    normalised = (x - x.mean((0, 2, 3), keepdim=True)) / (x.var((0, 2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()
    hidden = spade.shared(labels[:, :, ::2, ::2])
    expected = normalised * (1 + spade.gamma(hidden)) + spade.beta(hidden)
    torch.testing.assert_close(spade(x, labels), expected)


def test_spade_blocks_learn_their_skip_where_the_width_changes() -> None:
    module = generator("spade", 4, base_channels=2, hidden_channels=4, upsampling="most")
    learned = {name for name, _ in module.named_modules() if name.endswith("conv_skip")}
    assert learned == {f"up{index}.conv_skip" for index in range(1, 6)}
    assert all(module.get_submodule(name).bias is None for name in learned)


def test_spectral_norm_holds_the_largest_singular_value_at_one() -> None:
    module = generator("spade", 4, base_channels=2, hidden_channels=4).train()
    free = generator("spade", 4, base_channels=2, hidden_channels=4, spectral_norm=False)
    given = torch.randint(2, (2, 4, 64, 64)).float() * 2 - 1
    with torch.no_grad():
        for _ in range(20):
            module(given)
    module.eval()
    for name in ("head.conv1", "middle2.conv2", "up1.conv_skip"):
        sigma = torch.linalg.matrix_norm(module.get_submodule(name).weight.flatten(1), 2)
        assert sigma.item() == pytest.approx(1, abs=0.02)
        assert torch.linalg.matrix_norm(free.get_submodule(name).weight.flatten(1), 2).item() < 0.5
    assert not any("parametrizations" in name for name in free.state_dict())
    inner = [name for name in module.state_dict() if "parametrizations" in name]
    assert not any("norm" in name.split(".parametrizations")[0].split(".")[1] for name in inner)  # The modulation is free.


def test_mobile_spade_decomposes_the_modulation_only() -> None:
    module = generator("mobile_spade", 4, base_channels=2)
    found = {name.split(".")[-1] for name, part in module.named_modules() if isinstance(part, SeparableConvolution)}
    assert found == {"gamma", "beta"}
    assert module.get_submodule("head.norm1.shared.conv").out_channels == 4


@pytest.mark.parametrize("size", [8, 32, 64, 128])
def test_dcgan_doubles_to_its_size(size: int) -> None:
    module = generator("dcgan", 5, 1, base_channels=2, size=size).eval()
    assert module(torch.randn(2, 5, 1, 1)).shape == (2, 1, size, size)
    assert not biased(module)
    discriminator = DISCRIMINATORS.build("dcgan", {"base_channels": 2}, offered={"height": size, "width": size}, in_channels=1)
    assert discriminator(torch.rand(2, 1, size, size)).shape == (2, 1, 1, 1)
    assert not biased(discriminator)


def test_dcgan_refuses_sizes_that_it_cannot_make_or_that_the_data_does_not_have() -> None:
    for size in (4, 28, 96):
        with pytest.raises(ConfigError, match=f"power of two, got {size}"):
            generator("dcgan", size=size)
    with pytest.raises(ConfigError, match=r"64x64 images \(argument size\), and the dataset's are 32x32"):
        GENERATORS.build("dcgan", {}, offered={"height": 32, "width": 32}, in_channels=5, out_channels=3)


def test_stargan_has_no_biases_and_normalises_each_image_by_itself() -> None:
    module = generator("stargan", 5, base_channels=4, blocks=1)
    assert not biased(module)
    norms = [part for part in module.modules() if isinstance(part, nn.InstanceNorm2d)]
    assert len(norms) == 7 and all(part.affine and not part.track_running_stats for part in norms)
    images = torch.rand(2, 5, 16, 16)
    torch.testing.assert_close(module.eval()(images), module.train()(images))


def test_srresnet_sees_zero_to_one_and_may_end_linearly() -> None:
    module = generator("srresnet", base_channels=4, blocks=1).eval()
    picture = torch.rand(1, 3, 8, 8) * 2 - 1
    torch.testing.assert_close(seen_by(module, "stem", picture), (picture + 1) / 2)
    linear = generator("srresnet", base_channels=4, blocks=1, output="linear").eval()
    linear.load_state_dict(module.state_dict())
    torch.testing.assert_close(linear(picture).tanh(), module(picture))
    with pytest.raises(ConfigError, match="scale must be 2, 4 or 8, got 3"):
        generator("srresnet", scale=3)


def test_srresnets_long_skip_goes_around_all_blocks() -> None:
    module = generator("srresnet", base_channels=4, blocks=2).eval()
    with torch.no_grad():
        module.trunk.norm.weight.zero_()
        module.trunk.norm.bias.zero_()
        picture = torch.rand(1, 3, 8, 8)
        torch.testing.assert_close(seen_by(module, "ups", picture), module.stem((picture + 1) / 2))


def test_srresnet_may_learn_the_difference_to_the_bicubic_enlargement() -> None:
    module = generator("srresnet", base_channels=4, blocks=1, norm="none", output="linear", residual="bicubic").eval()
    alone = generator("srresnet", base_channels=4, blocks=1, norm="none", output="linear").eval()
    alone.load_state_dict(module.state_dict())
    picture = torch.rand(1, 3, 8, 8) * 2 - 1
    enlarged = torch.nn.functional.interpolate(picture, size=(32, 32), mode="bicubic")
    torch.testing.assert_close(module(picture) - alone(picture), enlarged)
    with pytest.raises(ConfigError, match="residual must be one of bicubic, none, got 'nearest'"):
        generator("srresnet", residual="nearest")
    with pytest.raises(ConfigError, match="needs output: linear, got 'tanh'"):
        generator("srresnet", residual="bicubic")


@pytest.mark.parametrize("name", ["resnet", "mobile_resnet", "unet", "dcgan"])
def test_weights_start_from_a_normal_distribution_of_0_02(name: str) -> None:
    module = generator(name, 16, 3, base_channels=16)
    for part in convolutions(module).values():
        if part.weight.numel() > 4000:
            assert part.weight.std().item() == pytest.approx(0.02, rel=0.1)
        assert part.bias is None or part.bias.abs().max() == 0


def test_spades_weights_start_from_glorots_distribution() -> None:
    module = generator("spade", 8, 3, base_channels=8, spectral_norm=False)
    for name in ("fc", "middle1.conv1", "up1.norm1.gamma"):
        conv = convolutions(module)[name]
        expected = 0.02 * (2 / (9 * (conv.in_channels + conv.out_channels))) ** 0.5
        assert conv.weight.std().item() == pytest.approx(expected, rel=0.1)
        assert conv.bias is not None and conv.bias.abs().max() == 0
