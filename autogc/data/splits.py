"""The splits of a dataset whose samples are files: all at one size, but for training samples that are loaded larger and cropped."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from autogc.data.dataset import Split
from autogc.data.filelist import FileList, FileSamples
from autogc.data.inputs import InputKind

SPLITS = ("train", "validation", "test")
# Makes the lists (fields of ``Samples``) of a split at a height and a width.
Lists = Callable[[str, int, int], Mapping[str, FileList]]


def file_splits(
    names: Mapping[str, Sequence[str]],
    lists: Lists,
    *,
    input: InputKind,
    size: tuple[int, int],
    load: tuple[int | None, int | None] = (None, None),
    mirror: bool = True,
) -> dict[str, Split]:
    """Return paired splits of the samples called ``names``. ``size`` and ``load`` are heights and widths.

    With ``load`` the training samples have that size, and ``size`` is cut out of them.
    """
    made = {}
    for split in SPLITS:
        height, width = size
        crop = None
        if split == "train" and load[0] is not None and load[1] is not None:
            (height, width), crop = (load[0], load[1]), size
        decode = FileSamples(split, lists(split, height, width))
        made[split] = Split(split, names=names[split], input=input, decode=decode, crop=crop, mirror=mirror)
    return made
