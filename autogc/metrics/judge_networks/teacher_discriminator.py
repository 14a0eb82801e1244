"""The discriminator of the run's own teacher as a feature network: it knows what this dataset's real pictures look like, close up.

Its limits are plain: it was trained against one generator, of which the subnets are parts, and knows this dataset alone. Its features rank
subnets of one run, and compare with nothing else.
"""

from __future__ import annotations

from contextlib import ExitStack

import torch
from torch import Tensor, nn

from autogc.data import Dataset
from autogc.errors import ConfigError, nearest
from autogc.metrics.registry import FEATURE_NETWORKS, JudgeNetwork
from autogc.models import as_verdict
from autogc.progress import Progress


class TeacherDiscriminator(JudgeNetwork):
    """Pictures (N, 3, H, W) to the means over the picture of a discriminator's maps, (N, D): of one layer, or of all that its verdict has.

    It is empty until it ``take``s the discriminator. The judge keeps its weights as it keeps those of networks that autogc trains for it.
    """

    def __init__(self, data: Dataset, *, layer: str | None) -> None:
        super().__init__()
        self.layer, self.channels = layer, data.target_channels
        self.size = (data.height, data.width)
        of = "all feature maps of its verdict" if layer is None else f"the maps of {layer}"
        self.label = f"the discriminator of this run's teacher, means of {of}; its features are not Inception's"
        self.net: nn.Module | None = None
        self.eval()

    def take(self, discriminator: nn.Module) -> None:
        """Judge by this discriminator from now on. Raises ``ConfigError`` where it does not see pictures alone, or has no such features."""
        self.net = discriminator.eval().requires_grad_(False)
        names = dict(self.net.named_modules())
        if self.layer is not None and self.layer not in names:
            raise ConfigError(f"teacher_discriminator: the discriminator has no module {self.layer!r}: {nearest(self.layer, names)}")
        try:
            with torch.inference_mode():
                self.features(torch.zeros(1, 3, *self.size))
        except (RuntimeError, ValueError) as error:
            if isinstance(error, ConfigError):
                raise
            reason = str(error).splitlines()[0]
            raise ConfigError(
                f"teacher_discriminator: it does not take pictures of {self.size[0]} x {self.size[1]} alone ({reason}); "
                "where a discriminator sees the input beside the picture, as pix2pix's does, name another feature network"
            ) from error

    def fit(self, data: Dataset, *, seed: int, device: torch.device, progress: Progress) -> None:
        """Do nothing: it was trained with the teacher."""
        del data, seed, device, progress

    def features(self, images: Tensor) -> Tensor:
        assert self.net is not None, "the discriminator was not taken"
        found: list[Tensor] = []
        with ExitStack() as stack:
            if self.layer is not None:

                def keep(part: nn.Module, args: object, output: Tensor) -> None:
                    found.append(output)

                stack.callback(self.net.get_submodule(self.layer).register_forward_hook(keep).remove)
            verdict = as_verdict(self.net(images[:, : self.channels]))
        if self.layer is None:
            found = [maps for scale in verdict.features for maps in scale]
        if not found or not all(isinstance(maps, Tensor) and maps.ndim == 4 for maps in found):
            where = "its verdict has no features; name a layer" if self.layer is None else f"{self.layer} gives no maps (N, C, h, w)"
            raise ConfigError(f"teacher_discriminator: {where}, such as {', '.join(self._layers()) or 'a convolution'}")
        return torch.cat([maps.mean((2, 3)) for maps in found], 1)

    def _layers(self) -> list[str]:
        assert self.net is not None
        return [name for name, module in self.net.named_modules() if isinstance(module, nn.Conv2d)][:6]


@FEATURE_NETWORKS.register("teacher_discriminator")
def teacher_discriminator(*, layer: str | None = None, data: Dataset, seed: int) -> TeacherDiscriminator:
    """Return a network that judges by the teacher's discriminator, once it is trained: by the maps of its module ``layer``, or by all
    the feature maps that it gives with its verdict (``multi_scale`` does). For tasks whose discriminator sees pictures alone."""
    del seed  # Nothing is drawn.
    return TeacherDiscriminator(data, layer=layer)
