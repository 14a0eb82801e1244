"""A file of weights with the names and shapes of the published FID weights, drawn at random so that every layer keeps its signal."""

from __future__ import annotations

import torch
from torch import nn

from autogc.metrics.judge_networks.inception_v3 import InceptionV3


def random_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """Return a state dict whose normalisations are not neutral: running statistics and scales of their own."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        network = InceptionV3()
    network = network.to_empty(device="cpu")
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            # He's scale, which keeps the variance through ReLUs.
            fan_in = module.weight[0].numel()
            module.weight.data.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
            if module.bias is not None:
                module.bias.data.normal_(0, 0.1, generator=generator)
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None and module.num_batches_tracked is not None
            module.weight.data.uniform_(0.8, 1.2, generator=generator)
            module.bias.data.normal_(0, 0.1, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.0, generator=generator)
            module.num_batches_tracked.zero_()
    return network.state_dict()
