"""Compression dimensions: small pure transforms of weights (and of activations), each with a stored size in closed form.

``DIMENSIONS`` has them by name in the order of application. Adding one: a file with a class of one of the kinds in ``dimension.py``,
a line in ``catalogue.py``, a row in ``tests/contracts/test_dimensions.py``.
"""

from autogc.compression.catalogue import DIMENSIONS
from autogc.compression.dimension import (
    ActivationDimension,
    ChannelDimension,
    Dimension,
    FormatDimension,
    MaskDimension,
    OperatorDimension,
    UnitDimension,
    Value,
)
from autogc.compression.layer import compress, pack, packed_bytes, unpack

__all__ = [
    "DIMENSIONS",
    "ActivationDimension",
    "ChannelDimension",
    "Dimension",
    "FormatDimension",
    "MaskDimension",
    "OperatorDimension",
    "UnitDimension",
    "Value",
    "compress",
    "pack",
    "packed_bytes",
    "unpack",
]
