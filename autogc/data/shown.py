"""What of a generator's input is something to look at."""

from __future__ import annotations

from torch import Tensor

from autogc.data.batch import Batch
from autogc.data.dataset import Dataset, Split
from autogc.data.inputs import AskedInput, DomainInput, LabelInput, NoiseInput


def shown_input(data: Dataset, split: Split, batch: Batch) -> tuple[Tensor | None, str]:
    """Return what of a batch of one input is a picture or a label map, (C, h, w), or None, and what it asks for in words."""
    match split.input:
        case NoiseInput():
            return None, ""
        case DomainInput() | AskedInput():
            assert batch.wanted is not None
            wanted = [name for name, there in zip(data.domain_names, batch.wanted[0].tolist(), strict=True) if there]
            return batch.input[0, : batch.input.shape[1] - len(data.domain_names)], "to " + (", ".join(wanted) or "none of the domains")
        case LabelInput(channels=channels):
            return batch.input[0, :channels], ""  # without the borders between instances
    return batch.input[0], ""


def shows_classes(data: Dataset, split: Split) -> bool:
    """Return whether the inputs are maps of the classes that have names, with or without a channel for what is unlabelled."""
    return isinstance(split.input, LabelInput) and split.input.channels - len(data.class_names) in (0, 1)
