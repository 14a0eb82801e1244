"""Weights that are computed before each use, made plain ones: spectral normalisation and its like.

The largest singular value of a slice is not that of the whole weight, so a narrower subnet of a spectrally normalised layer would compute
something else than the full one does with fewer channels. A supernet's weights are those that the generator computes with when it is
converted; what trains it is distillation, which needs no normalised weights.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.utils import parametrize, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

REMOVE: dict[type, Callable[[nn.Module, str], nn.Module]] = {SpectralNorm: remove_spectral_norm, WeightNorm: remove_weight_norm}


def fold(module: nn.Module) -> tuple[str, ...]:
    """Replace every parametrized tensor of ``module`` by the plain parameter that evaluation mode computes; return their names.

    Both of torch's ways are known: ``torch.nn.utils.parametrizations`` (and ``parametrize`` with anything) and the hooks of
    ``torch.nn.utils.spectral_norm`` and ``weight_norm``.
    """
    folded: list[str] = []
    modes = [(part, part.training) for part in module.modules()]
    module.eval()  # else computing a weight would move the estimate of its singular value
    for name, part in list(module.named_modules()):
        for hook in _hooks(part):
            REMOVE[type(hook)](part, hook.name)
            folded.append(f"{name}.{hook.name}".lstrip("."))
        if parametrize.is_parametrized(part):
            folded += [f"{name}.{tensor}".lstrip(".") for tensor in _unparametrize(part)]
    for part, training in modes:
        part.training = training
    return tuple(folded)


def _hooks(part: nn.Module) -> list[SpectralNorm | WeightNorm]:
    return [hook for hook in part._forward_pre_hooks.values() if isinstance(hook, SpectralNorm | WeightNorm)]


def _unparametrize(part: nn.Module) -> tuple[str, ...]:
    """Give a module its values and its class back; return the tensors' names.

    torch's own ``remove_parametrizations`` deletes them from the class too, which deep copies share: the original would be broken.
    """
    assert isinstance(part.parametrizations, nn.ModuleDict)
    learned = {name: any(True for _ in one.parameters()) for name, one in part.parametrizations.items()}
    values = {name: getattr(part, name).detach().clone() for name in learned}
    plain = parametrize.type_before_parametrizations(part)
    del part.parametrizations
    part.__class__ = plain
    for name, value in values.items():
        if learned[name]:
            part.register_parameter(name, nn.Parameter(value))
        else:
            part.register_buffer(name, value)
    return tuple(values)


def detach_computed(module: nn.Module) -> None:
    """Let go of the graphs that hook-normalised weights hang on since their last forward pass, which would forbid a deep copy."""
    for part in module.modules():
        for hook in _hooks(part):
            value = vars(part).get(hook.name)
            if isinstance(value, Tensor):
                setattr(part, hook.name, value.detach())
