"""A feature network of the user's own: a TorchScript file, or one that ``torch.export.save`` wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from autogc.data import Dataset
from autogc.errors import ConfigError
from autogc.metrics.judge_networks.presentation import Presentation
from autogc.metrics.judge_networks.program import Program, load_program
from autogc.metrics.registry import FEATURE_NETWORKS, JudgeNetwork

# Pictures that a network is tried with before it is needed: an exported program may be good for one count alone.
TRIED = (2, 1, 5)


class FileNetwork(JudgeNetwork):
    """Pictures (N, 3, H, W) in [-1, 1] to what the program makes of them: vectors (N, D), or the means of maps (N, D, h, w)."""

    def __init__(self, program: Program, presentation: Presentation, *, label: str | None = None) -> None:
        super().__init__()
        self.program, self.presentation = program, presentation
        self.preprocessing = str(presentation)
        self.label = f"{label or f'the {program.kind} file {program.name}'}, {presentation}"
        self.eval()

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the file; of the tensors where somebody changed them."""
        return self.program.weights_hash

    def features(self, images: Tensor) -> Tensor:
        """Return the program's vectors, float32 (N, D)."""
        found = self.program(self.presentation(images))
        # A program may give several things, features first.
        found = found[0] if isinstance(found, tuple | list) and found else found
        if not isinstance(found, Tensor) or found.ndim not in (2, 4) or len(found) != len(images) or not found.is_floating_point():
            what = f"{tuple(found.shape)} {found.dtype}" if isinstance(found, Tensor) else type(found).__name__
            raise ConfigError(
                f"network_file: {self.program.name} makes {what} of {len(images)} pictures, not features (N, D) or (N, D, h, w)"
            )
        return (found.mean((2, 3)) if found.ndim == 4 else found).float()


@FEATURE_NETWORKS.register("network_file")
def network_file(
    *,
    file: str,
    sha256: str | None = None,
    size: int | Sequence[int] | None = None,
    range: str = "unit",
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    deviation: Sequence[float] = (1.0, 1.0, 1.0),
    resizing: str = "bilinear",
    label: str | None = None,
    data: Dataset,
    seed: int,
) -> FileNetwork:
    """Return the network in ``file`` (TorchScript, or an exported program with a dynamic batch), which gives features of pictures.

    ``sha256`` is compared with the file's where it is given. ``size``, ``range``, ``mean``, ``deviation`` and ``resizing`` say how the
    network wants to be shown pictures (``Presentation``), ``label`` what it is called beside scores. It is tried here, on pictures of the
    dataset's size.

    Raises ``ConfigError`` for arguments that cannot be and a network that does not take the pictures, ``CheckpointError`` for a file that
    is another one, or no program, or holds more than one (``program.py``).
    """
    del seed  # Nothing is drawn.
    presentation = Presentation.of("network_file", size=size, range=range, mean=mean, deviation=deviation, resizing=resizing)
    network = FileNetwork(load_program(file, network="network_file", sha256=sha256), presentation, label=label)
    tried("network_file", network.program.name, network.features, presentation, data=data)
    return network


def tried(network: str, program: str, answer: Callable[[Tensor], Tensor], presentation: Presentation, *, data: Dataset) -> Tensor:
    """Return the ``answer`` of the judging network called ``network`` to pictures of the dataset's size.

    Raises ``ConfigError``, naming the ``program``, where it does not take them, or not so many.
    """
    for count in TRIED:
        pictures = torch.zeros(count, 3, data.height, data.width)
        try:
            with torch.inference_mode():
                found = answer(pictures)
        except ConfigError:
            raise
        # A program raises what it likes.
        except Exception as error:
            seen = "x".join(map(str, presentation(pictures).shape))
            reason = str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
            raise ConfigError(
                f"{network}: {program} does not take pictures of {seen}: {reason}; say its size, and export it "
                "with a dynamic batch (dynamic_shapes={0: torch.export.Dim.DYNAMIC})"
            ) from error
        if not torch.isfinite(found).all():
            raise ConfigError(f"{network}: {program} makes NaN or infinity of grey pictures")
    return found
