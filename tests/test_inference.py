"""How forward passes use the machine."""

import torch
from torch import nn

from autogc.inference import in_precision, keeping_memory, suited, suited_format


def test_instance_norms_stay_contiguous_and_others_go_channels_last():
    plain = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).eval()
    normed = nn.Sequential(nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8)).eval()
    assert suited_format(plain) is torch.channels_last and suited_format(normed) is torch.contiguous_format
    pictures = torch.randn(2, 3, 8, 8)
    with torch.inference_mode():
        for module, expected in ((plain, plain(pictures)), (normed, normed(pictures))):
            assert torch.allclose(suited(module)(pictures), expected, atol=1e-5)
    assert plain[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_bfloat16_is_for_products_alone_and_ends_with_the_block():
    layer, pictures = nn.Conv2d(3, 4, 3), torch.randn(1, 3, 8, 8)
    device = torch.device("cpu")
    with torch.inference_mode():
        with in_precision("bfloat16", device):
            assert layer(pictures).dtype == torch.bfloat16
        with in_precision("float32", device):
            assert layer(pictures).dtype == torch.float32
        assert layer(pictures).dtype == torch.float32 and layer.weight.dtype == torch.float32


def test_keeping_memory_changes_nothing_that_is_computed_and_may_be_nested():
    draws = torch.Generator().manual_seed(0)
    large = torch.randn(3000, 3000, generator=draws)
    expected = large @ large
    with keeping_memory(), keeping_memory():
        for _ in range(3):
            assert torch.equal(large @ large, expected)
    assert torch.equal(large @ large, expected)
