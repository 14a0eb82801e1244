"""Compressing and teaching."""

from autogc.config.recipes.recipe import Ask, Recipe

RECIPE = Recipe(
    paper="Teachers do more than teach (CAT; Jin et al., CVPR 2021), weights of the released scripts",
    settings={
        "losses": {
            "distillation_weight": 0.0,
            "terms": {"kernel_alignment": {"weight": 1.0, "args": {"rows": "positions"}}},
            "students": {"adversarial_weight": 1.0, "reconstruction": "l1", "reconstruction_weight": 5.0},
        },
    },
    differs=(
        "the student is a subnet of this project's search, where CAT prunes once by the scales of norm layers; weights are horse2zebra's: "
        "for pix2pix on cityscapes the alignment has 0.5 and the reconstruction 100"
    ),
    asks={"losses.distillation_layers": Ask("the modules whose outputs are aligned", of="losses.terms.kernel_alignment.weight")},
)
