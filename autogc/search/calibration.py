"""The inputs over which a subnet's running statistics are taken, the same ones wherever a subnet is scored, drawn or exported."""

from __future__ import annotations

from itertools import islice
from math import ceil
from typing import TYPE_CHECKING

from torch import Tensor

from autogc.data import training_batches

if TYPE_CHECKING:
    from autogc.config.experiment import Experiment
    from autogc.data import Dataset
    from autogc.supernet import Supernet


def calibration_batches(experiment: Experiment, data: Dataset, supernet: Supernet) -> tuple[Tensor, ...]:
    """Return ``supernet.calibration_images`` training inputs (all, where there are fewer) as batches (N, C, H, W), on the CPU; none for a
    supernet that keeps no running statistics.

    They are the first that training draws: from all over the split, cropped where it is cropped, a function of the experiment's seed.
    Batches have at most ``search.batch_size`` inputs (16 for ``auto``), all of them equally many: with a batch norm over a last one of a
    single input, a layer could see one value a channel.
    """
    if not supernet.has_statistics:
        return ()
    count = min(experiment.supernet.calibration_images, len(data.train))
    batches = ceil(count / experiment.search.known_batch_size)
    drawn = training_batches(data.train, ceil(count / batches), experiment.seed)
    return tuple(batch.input for batch in islice(drawn, batches))
