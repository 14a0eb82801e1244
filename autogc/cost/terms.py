"""The terms of a supernet's costs: one for each layer, one for the tensors outside of layers."""

from __future__ import annotations

from autogc.cost.formula import AxisLength, RestCost, TensorSize, Term, WeightCost, axis_lengths
from autogc.supernet.supernet import Supernet


def terms_of(supernet: Supernet) -> tuple[Term, ...]:
    """Return the terms whose sum (and the packed file's overhead) is what a subnet costs."""
    parameters = dict(supernet.module.named_parameters())
    tensors = {**parameters, **dict(supernet.module.named_buffers())}
    sizes = axis_lengths({name: tuple(tensor.shape) for name, tensor in tensors.items()}, supernet.discovery.groups)
    for site in supernet.sites:
        sizes.update(_separable_sizes(site, sizes))

    uses: dict[str, dict[str, list[int]]] = {}
    for use in supernet.discovery.uses:
        counted = uses.setdefault(use.layer, {}).setdefault(use.tensor, [0, 0])
        counted[0] += use.positions
        counted[1] += use.published_positions

    def rest(names: list[str]) -> tuple[RestCost, ...]:
        return tuple(RestCost(name, sizes[name], tensors[name].element_size(), name in parameters) for name in names)

    terms = []
    left = list(tensors)
    for layer, weights in uses.items():
        own = [name for name in left if name in weights or (layer in supernet.layers and name.startswith(f"{layer}."))]
        left = [name for name in left if name not in own]
        parts = {f"{layer}.depthwise.weight", f"{layer}.pointwise.weight", f"{layer}.depthwise.bias", f"{layer}.pointwise.bias"}
        separable = [name for name in own if layer in supernet.sites and name in parts]
        dense = [name for name in own if name not in separable]
        weight_costs = {"dense": tuple(WeightCost(name, sizes[name], *weights[name]) for name in dense if name in weights)}
        rest_costs = {"dense": rest([name for name in dense if name not in weights])}
        if separable:
            # The depthwise convolution has the dense one's stride, so both of the pair run at its output positions.
            positions = next(iter(weights.values()))
            compressible = supernet.weights_of(layer, "separable")
            weight_costs["separable"] = tuple(WeightCost(name, sizes[name], *positions) for name in compressible)
            rest_costs["separable"] = rest([name for name in separable if name not in compressible])
        terms.append(Term(layer, weight_costs, rest_costs))
    by_groups: dict[frozenset[str], list[str]] = {}
    for name in left:
        by_groups.setdefault(sizes[name].groups, []).append(name)
    terms += [Term("", {"dense": ()}, {"dense": rest(names)}) for names in by_groups.values()]
    return tuple(terms)


def _separable_sizes(site: str, sizes: dict[str, TensorSize]) -> dict[str, TensorSize]:
    """Return the sizes of a separable operator's tensors: its channels are those of the dense convolution (out, in, kh, kw)."""
    out_channels, in_channels, *kernel = sizes[f"{site}.weight"].axes
    one = AxisLength(1)
    found = {
        f"{site}.depthwise.weight": TensorSize((in_channels, one, *kernel)),
        f"{site}.pointwise.weight": TensorSize((out_channels, in_channels, one, one)),
    }
    if f"{site}.bias" in sizes:
        found |= {f"{site}.depthwise.bias": TensorSize((in_channels,)), f"{site}.pointwise.bias": TensorSize((out_channels,))}
    return found
