"""Export: a chosen subnet as a directory that stands alone."""

from autogc.export.fresh import draw_fresh
from autogc.export.package import Package, load_package, unpack_weights, values_by_tensor, write_like, write_package
from autogc.export.packed import packed_file_size
from autogc.export.rescore import rescore_package
from autogc.export.verify import verify_package

__all__ = [
    "Package",
    "draw_fresh",
    "load_package",
    "packed_file_size",
    "rescore_package",
    "unpack_weights",
    "values_by_tensor",
    "verify_package",
    "write_like",
    "write_package",
]
