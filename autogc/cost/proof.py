"""A subnet's costs and images compared with the real module's, before anything is spent on a search."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from autogc.cost.fvcore_reference import fvcore_macs
from autogc.cost.model import CostModel
from autogc.errors import ConversionError
from autogc.supernet.candidate import Candidate
from autogc.supernet.supernet import Supernet

# Relative to the largest value of the images.
TOLERANCE = 1e-4


def prove(supernet: Supernet, costs: CostModel, candidate: Candidate, *, example: Tensor) -> None:
    """Extract a subnet and compare it with what the supernet says of it: its images for ``example``, MACs and parameters.

    Raises ConversionError with everything that differs: then the generator does something that a conversion can't follow.
    """
    supernet.check(candidate)
    known = costs.costs(candidate, only=("macs", "params"))
    modes = [(part, part.training) for part in supernet.modules()]
    supernet.eval()
    try:
        module = supernet.extract(candidate)
        counted = {"macs": fvcore_macs(module, example), "params": sum(parameter.numel() for parameter in module.parameters())}
        images = []
        for generate in (module, partial(supernet, candidate=candidate)):
            with torch.random.fork_rng(devices=[]), torch.no_grad():
                torch.manual_seed(0)  # generators that draw noise draw the same
                images.append(generate(example))
    except Exception as error:  # whatever a user's module may raise where its layers are replaced
        raise ConversionError(f"a subnet of this generator can't be made a module of its own: {type(error).__name__}: {error}") from error
    finally:
        for part, training in modes:
            part.training = training
    problems = [f"its {name} are {counted[name]:,}, by the cost model {known[name]:,}" for name in counted if counted[name] != known[name]]
    difference = float((images[0] - images[1]).abs().max()) / max(float(images[1].abs().max()), 1e-12)
    if not difference <= TOLERANCE:
        problems.append(f"its images differ by {difference:.1e} of their largest value")
    if problems:
        raise ConversionError(f"a subnet of this generator, made a module of its own, is not what the supernet says: {'; '.join(problems)}")
