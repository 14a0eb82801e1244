"""Generator-discriminator cooperative compression."""

from autogc.config.recipes.recipe import Recipe

RECIPE = Recipe(
    paper="Revisiting discriminator in GAN compression (GCC; Li et al., NeurIPS 2021): its distillation by the teacher's discriminator",
    settings={
        "losses": {
            "distillation_weight": 0.0,
            "terms": {
                "discriminator_features": {"weight": 10.0, "args": {"distance": "l1", "discriminator": "teacher"}},
                "discriminator_texture": {
                    "name": "discriminator_features",
                    "weight": 10.0,
                    "args": {"distance": "gram", "discriminator": "teacher"},
                },
            },
        },
    },
    differs=(
        "the student's discriminator is the teacher's, trained further, without GCC's selective activation of its channels; the teacher "
        "is fixed; the two weights are ours, to be set for the data"
    ),
)
