"""Reading checkpoints that other projects published: their names and releases, one file a family, found by the module's class."""

from autogc.models.published import dcgan, multi_scale, patchgan, resnet, spade, srgan, srresnet, stargan, unet  # noqa: F401  (registers)
from autogc.models.published.differences import differences, listed
from autogc.models.published.imported import IMPORTERS, Imported
from autogc.models.published.translate import translate

__all__ = ["IMPORTERS", "Imported", "differences", "listed", "translate"]
