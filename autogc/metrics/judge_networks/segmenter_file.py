"""A segmenter of the user's own: a TorchScript file, or one that ``torch.export.save`` wrote, and what its outputs are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from autogc.data import Dataset
from autogc.errors import ConfigError
from autogc.metrics.judge_networks.class_table import ClassTable
from autogc.metrics.judge_networks.from_file import tried
from autogc.metrics.judge_networks.presentation import Presentation
from autogc.metrics.judge_networks.program import Program, load_program
from autogc.metrics.judge_networks.upsampling import classes_at
from autogc.metrics.registry import SEGMENTERS, JudgeNetwork

NAME = "segmenter_file"


class FileSegmenter(JudgeNetwork):
    """Pictures (N, 3, H, W) in [-1, 1] to the classes that a table makes of the program's logits (N, outputs, h, w)."""

    def __init__(self, program: Program, presentation: Presentation, classes: ClassTable, *, label: str | None = None) -> None:
        super().__init__()
        self.program, self.presentation, self.classes = program, presentation, classes
        self.preprocessing = str(presentation)
        rest = "" if classes.others == "error" else f", outputs of no class {classes.others}"
        self.label = f"{label or f'the {program.kind} file {program.name}'}, {presentation}, logits resized to the labels' size{rest}"
        self.eval()

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the file; of the tensors where somebody changed them."""
        return self.program.weights_hash

    def logits(self, images: Tensor) -> Tensor:
        """Return what the program says of pictures, float (N, outputs, h, w)."""
        found = self.program(self.presentation(images))
        # What torchvision's segmenters give: a dictionary, the main head's logits under "out".
        if isinstance(found, Mapping):
            found = found.get("out", found)
        found = found[0] if isinstance(found, tuple | list) and found else found
        if not isinstance(found, Tensor) or found.ndim != 4 or len(found) != len(images) or not found.is_floating_point():
            what = f"{tuple(found.shape)} {found.dtype}" if isinstance(found, Tensor) else type(found).__name__
            raise ConfigError(f"{NAME}: {self.program.name} makes {what} of {len(images)} pictures, not logits (N, outputs, h, w)")
        return found

    def segment(self, images: Tensor, size: tuple[int, int]) -> Tensor:
        logits = self.logits(images)
        kept = self.classes.kept(logits.shape[1])
        table = self.classes.tensor(logits.shape[1])[kept].to(logits.device)
        return classes_at(logits if len(kept) == logits.shape[1] else logits[:, kept], size, table=table)


@SEGMENTERS.register(NAME)
def segmenter_file(
    *,
    file: str,
    classes: dict[str, int | list[int]],
    others: str = "error",
    sha256: str | None = None,
    size: int | Sequence[int] | None = None,
    range: str = "unit",
    mean: Sequence[float] = (0.0, 0.0, 0.0),
    deviation: Sequence[float] = (1.0, 1.0, 1.0),
    resizing: str = "bilinear",
    label: str | None = None,
    data: Dataset,
    seed: int,
) -> FileSegmenter:
    """Return the segmenter in ``file`` (TorchScript, or an exported program with a dynamic batch), which gives logits of pixels.

    ``classes`` say which output, counted from 0, each class of the dataset is, or which several; ``others`` what outputs of no class are:
    an ``error``, ``excluded`` (the largest of the others counts), or ``unlabelled`` (where one is the largest, no class was found). Logits
    are resized bilinearly to the labels' size before the largest is taken. ``sha256`` is compared with the file's where it is given;
    ``size``, ``range``, ``mean``, ``deviation`` and ``resizing`` say how the network wants to be shown pictures (``Presentation``),
    ``label`` what it is called beside scores. It is tried here, on pictures of the dataset's size.

    Raises ``ConfigError`` for arguments that cannot be and a network that does not take the pictures or has other outputs,
    ``CheckpointError`` for a file that is another one, or no program, or holds more than one (``program.py``).
    """
    del seed  # Nothing is drawn.
    table = ClassTable.of(NAME, classes, others=others, data=data)
    presentation = Presentation.of(NAME, size=size, range=range, mean=mean, deviation=deviation, resizing=resizing)
    network = FileSegmenter(load_program(file, network=NAME, sha256=sha256), presentation, table, label=label)
    table.check(tried(NAME, network.program.name, network.logits, presentation, data=data).shape[1], network=NAME)
    return network
