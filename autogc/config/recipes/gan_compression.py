"""GAN Compression."""

from autogc.config.recipes.recipe import Ask, Recipe

RECIPE = Recipe(
    paper="GAN Compression (Li et al., CVPR 2020), equations 1 to 4, weights of table 5",
    settings={
        "losses": {"adversarial_weight": 1.0, "reconstruction": "l1", "reconstruction_weight": 100.0, "distillation_weight": 1.0},
        "supernet": {"sampling": "random"},
    },
    differs=(
        "table 5 has these weights for pix2pix on edges2shoes and cityscapes; map2aerial and horse2zebra have reconstruction_weight 10 and "
        "distillation_weight 0.01; give losses.adversarial as the teacher's paper does (hinge, lsgan)"
    ),
    asks={
        "losses.distillation_layers": Ask(
            "the modules whose outputs are matched: before the residual blocks, and after each third of them",
            of="losses.distillation_weight",
        )
    },
)
