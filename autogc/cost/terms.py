"""The terms of a supernet's costs: one for each layer, others for the tensors and products outside of layers."""

from __future__ import annotations

from autogc.cost.formula import RestCost, TensorSize, Term, WeightCost, axis_lengths
from autogc.supernet.groups import AxisLength
from autogc.supernet.supernet import Supernet


def terms_of(supernet: Supernet) -> tuple[Term, ...]:
    """Return the terms whose sum (and the packed file's overhead) is what a subnet costs."""
    parameters = dict(supernet.module.named_parameters())
    tensors = {**parameters, **dict(supernet.module.named_buffers())}
    sizes = sizes_of(supernet)
    uses = {use.tensor: (use.positions, use.published_positions) for use in supernet.discovery.uses}

    def rest(names: list[str]) -> tuple[RestCost, ...]:
        return tuple(RestCost(name, sizes[name], tensors[name].element_size(), name in parameters) for name in names)

    def multiplied(name: str, positions: tuple[int, int]) -> WeightCost:
        return WeightCost(name, sizes[name], *positions, is_parameter=name in parameters)

    terms = []
    left = [name for name in tensors if name not in uses]
    for tensor, positions in uses.items():
        layer = tensor.removesuffix(".weight")
        if layer not in supernet.layers:
            terms.append(Term("", {"dense": (multiplied(tensor, positions),)}, {"dense": ()}, unit=supernet.unit_of(tensor)))
            continue
        own = [name for name in left if name.startswith(f"{layer}.")]
        left = [name for name in left if name not in own]
        parts = {f"{layer}.depthwise.weight", f"{layer}.pointwise.weight", f"{layer}.depthwise.bias", f"{layer}.pointwise.bias"}
        separable = [name for name in own if layer in supernet.sites and name in parts]
        weight_costs: dict[str, tuple[WeightCost, ...]] = {"dense": (multiplied(tensor, positions),)}
        rest_costs = {"dense": rest([name for name in own if name not in separable])}
        if separable:
            # The depthwise convolution has the dense one's stride, so both of the pair run at its output positions.
            compressible = supernet.weights_of(layer, "separable")
            weight_costs["separable"] = tuple(multiplied(name, positions) for name in compressible)
            rest_costs["separable"] = rest([name for name in separable if name not in compressible])
        terms.append(Term(layer, weight_costs, rest_costs, unit=supernet.unit_of(layer)))
    alike: dict[tuple[frozenset[str], str], list[str]] = {}
    for name in left:
        alike.setdefault((sizes[name].groups, supernet.unit_of(name)), []).append(name)
    terms += [Term("", {"dense": ()}, {"dense": rest(names)}, unit=unit) for (_, unit), names in alike.items()]
    # A layer that runs over rows of channels still has its bits; activations multiplied with one another belong to none.
    layer_of = {name: layer for layer, holders in supernet.holders.items() for name in holders}
    none: dict[str, tuple[()]] = dict.fromkeys(("dense", "separable"), ())
    terms += [
        Term(layer_of.get(product.where, ""), none, none, (product,), supernet.unit_of(product.where))
        for product in supernet.discovery.products
    ]
    return tuple(terms)


def sizes_of(supernet: Supernet) -> dict[str, TensorSize]:
    """Return the size of every parameter and buffer in terms of the channel groups."""
    tensors = {**dict(supernet.module.named_parameters()), **dict(supernet.module.named_buffers())}
    sizes = axis_lengths({name: tuple(tensor.shape) for name, tensor in tensors.items()}, supernet.discovery.groups)
    for site in supernet.sites:
        sizes.update(_separable_sizes(site, sizes))
    return sizes


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
