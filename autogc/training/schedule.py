"""The learning rate as a function of the step, so that a resumed training has the same one."""

from __future__ import annotations

from autogc.config.experiment import Optimization


def rate_factor(config: Optimization, step: int) -> float:
    """Return what the learning rate is multiplied with at ``step`` (the first is 0).

    1 for the first ``constant_fraction`` of the steps, then linear, to reach 0 at ``steps``, when training is over
    (GAN Compression, section 6.1).
    """
    constant = round(config.constant_fraction * config.steps)
    if step < constant:
        return 1.0
    return (config.steps - step) / (config.steps - constant)
