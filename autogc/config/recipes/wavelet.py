"""Wavelet knowledge distillation."""

from autogc.config.recipes.recipe import Recipe

RECIPE = Recipe(
    paper="Wavelet knowledge distillation (Zhang et al., CVPR 2022)",
    settings={
        "losses": {
            "distillation_weight": 0.0,
            "terms": {"wavelet": {"weight": 10.0, "against": "teacher", "args": {"levels": 3}}},
        },
    },
    differs="Haar's wavelet; the weight is ours, to be set for the data; the task's own losses stay as they are, the discriminator whole",
)
