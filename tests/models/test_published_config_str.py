"""GAN Compression's config_str: what its numbers mean, as a generator and as a candidate."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from autogc.errors import CandidateError, ConfigError
from autogc.models import GENERATORS
from autogc.models.config_str import ChannelWidths
from autogc.models.resnet import ResnetGenerator
from autogc.supernet.candidate import Candidate
from autogc.supernet.config_str import candidate_of_config_str, config_str_of_candidate
from autogc.supernet.supernet import Supernet


def mobile_resnet(**args: Any) -> ResnetGenerator:
    made = GENERATORS.build("mobile_resnet", args, in_channels=3, out_channels=3)
    assert isinstance(made, ResnetGenerator)
    return made


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    torch.manual_seed(0)
    return Supernet.convert(mobile_resnet(base_channels=8), torch.rand(1, 3, 16, 16), importance="position", verify=False)


def test_eight_numbers_count_channels_at_the_images_size() -> None:
    widths = ChannelWidths.parse("16_24_32_8_40_56_20_12")
    assert widths == ChannelWidths(stem=16, down1=48, down2=128, blocks=(32,) * 3 + (160,) * 3 + (224,) * 3, up1=40, up2=12)
    assert str(widths) == "16_24_32_8_40_56_20_12"


def test_six_numbers_are_of_all_blocks_or_of_each_thirds_first() -> None:
    assert ChannelWidths.parse("24_24_24_32_20_16").blocks == (128,) * 9
    assert str(ChannelWidths.parse("24_24_24_32_20_16")) == "24_24_24_32_32_32_20_16"
    assert ChannelWidths.parse("24_24_24_32_20_16", legacy=True).blocks == (128, 96, 96) * 3


@pytest.mark.parametrize(
    "config_str, legacy, millions",
    [("24_24_24_32_20_16", False, 0.34), ("32_32_40_48_16_32", True, 0.70), ("48_32_40_40_24_32", False, 0.71)],
    ids=["horse2zebra", "edges2shoes", "cityscapes"],
)
def test_the_papers_subnets_have_their_published_sizes(config_str: str, legacy: bool, millions: float) -> None:
    """Table 1 of GAN Compression, to its digits."""
    subnet = mobile_resnet(config_str=config_str, legacy_config=legacy)
    assert round(sum(tensor.numel() for tensor in subnet.parameters()) / 1e6, 2) == millions


@pytest.mark.parametrize("wrong", ["16_16", "16_16_32_16_32_32_16_x", "16_16_0_16_32_32_16_16", "", "16_16_32_16_32_32_16_16_16"])
def test_other_texts_are_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="eight or six positive numbers"):
        mobile_resnet(config_str=wrong)


def test_numbers_that_yaml_has_read_as_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="must be quoted"):
        mobile_resnet(config_str=1616321632321616)


def test_a_config_str_needs_nine_blocks_and_channels_enough() -> None:
    with pytest.raises(ConfigError, match="for 9 blocks, the generator has 6"):
        mobile_resnet(config_str="16_16_32_16_32_32_16_16", blocks=6)
    with pytest.raises(ConfigError, match=r"asks for 128 channels at down2\.conv, and base_channels gives 64"):
        mobile_resnet(config_str="16_16_32_16_32_32_16_16", base_channels=16)
    with pytest.raises(ConfigError, match="legacy_config says how config_str is meant"):
        mobile_resnet(legacy_config=True)


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_a_generator_of_full_width_is_the_one_without(norm: str) -> None:
    full, same = (mobile_resnet(base_channels=4, norm=norm, **extra) for extra in ({}, {"config_str": "4_4_4_4_4_4_4_4"}))
    assert {n: t.shape for n, t in full.state_dict().items()} == {n: t.shape for n, t in same.state_dict().items()}
    assert [type(part) for part in full.modules()] == [type(part) for part in same.modules()]


@pytest.mark.parametrize("config_str", ["4_6_4_4_6_2_4_8", "8_8_8_8_8_8_8_8", "8_2_6_8_8_8_6_4"])
def test_the_candidate_is_the_generator_of_these_numbers(config_str: str, supernet: Supernet) -> None:
    candidate = candidate_of_config_str(config_str, supernet)
    subnet = supernet.extract(candidate)
    built = mobile_resnet(base_channels=8, config_str=config_str)
    assert {n: t.shape for n, t in subnet.state_dict().items()} == {n: t.shape for n, t in built.state_dict().items()}
    x = torch.rand(1, 3, 16, 16)
    built.load_state_dict(subnet.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(built.eval()(x), supernet.eval()(x, candidate), rtol=1e-4, atol=1e-5)
    assert config_str_of_candidate(candidate, supernet) == config_str
    assert (candidate == Candidate({})) == (config_str == "8_8_8_8_8_8_8_8")


def test_legacy_numbers_become_a_candidate_that_eight_numbers_cannot_say(supernet: Supernet) -> None:
    candidate = candidate_of_config_str("4_6_4_6_4_8", supernet, legacy=True)
    assert candidate.get("width", "blocks.0.conv1.pointwise") == 24
    assert candidate.get("width", "blocks.1.conv1.pointwise") == 16
    with pytest.raises(CandidateError, match="in thirds of one width each"):
        config_str_of_candidate(candidate, supernet)


def test_blocks_that_may_be_separable_are() -> None:
    dense = GENERATORS.build("resnet", {"base_channels": 4}, in_channels=3, out_channels=3)
    supernet = Supernet.convert(dense, torch.rand(1, 3, 16, 16), decompose=("stem.conv", "blocks.*"), verify=False)
    candidate = candidate_of_config_str("4_2_4_4_2_2_4_4", supernet)
    assert set(candidate.choices["operator"]) == {f"blocks.{index}.conv{half}" for index in range(9) for half in (1, 2)}
    assert config_str_of_candidate(candidate, supernet) == "4_2_4_4_2_2_4_4"
    with pytest.raises(CandidateError, match=r"operator dense at blocks\.0\.conv1"):
        config_str_of_candidate(Candidate({"width": dict(candidate.choices["width"])}), supernet)


def test_what_numbers_cannot_say_is_refused(supernet: Supernet) -> None:
    with pytest.raises(CandidateError, match=r"asks for 64 channels at down2\.conv, the supernet has 32"):
        candidate_of_config_str("8_8_16_8_8_8_8_8", supernet)
    with pytest.raises(CandidateError, match="eight or six positive numbers"):
        candidate_of_config_str("8", supernet)
    with pytest.raises(CandidateError, match="weight_bits"):
        config_str_of_candidate(Candidate({"weight_bits": {"head.conv": 8}}), supernet)
    with pytest.raises(CandidateError, match="multiples of 2 channels at down1, not 7"):
        config_str_of_candidate(Candidate({"width": {"down1.conv": 7}}), supernet)


def test_another_generators_supernet_is_refused() -> None:
    six = GENERATORS.build("resnet", {"base_channels": 4, "blocks": 6}, in_channels=3, out_channels=3)
    with pytest.raises(CandidateError, match=r"no channels made by blocks\.6\.conv1"):
        candidate_of_config_str("4_4_4_4_4_4_4_4", Supernet.convert(six, torch.rand(1, 3, 16, 16), verify=False))
