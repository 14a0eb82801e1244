"""All dimensions by name, in the order in which they are applied."""

from __future__ import annotations

from autogc.compression.activation_bits import ActivationBits
from autogc.compression.codebook import Codebook
from autogc.compression.convolution_operator import ConvolutionOperator
from autogc.compression.depth import Depth
from autogc.compression.dimension import Dimension
from autogc.compression.element_pruning import ElementPruning
from autogc.compression.filter_pruning import FilterPruning
from autogc.compression.weight_bits import WeightBits
from autogc.compression.width import Width

_ORDER: tuple[Dimension, ...] = (
    Depth(),
    Width(),
    FilterPruning(),
    ConvolutionOperator(),
    ElementPruning(),
    WeightBits(),
    Codebook(),
    ActivationBits(),
)
DIMENSIONS: dict[str, Dimension] = {dimension.name: dimension for dimension in _ORDER}
