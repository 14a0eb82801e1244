"""Export: a chosen subnet as a directory that stands alone."""

from autogc.export.package import Package, load_package, unpack_weights, write_like, write_package
from autogc.export.rescore import rescore_package
from autogc.export.verify import verify_package

__all__ = ["Package", "load_package", "rescore_package", "unpack_weights", "verify_package", "write_like", "write_package"]
