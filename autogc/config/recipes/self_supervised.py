"""Self-supervised GAN compression."""

from autogc.config.recipes.recipe import Recipe

RECIPE = Recipe(
    paper="Self-supervised GAN compression (Yu and Pool, 2020), equations 7 to 9, lambda 0.5",
    settings={
        "losses": {
            "distillation_weight": 0.0,
            "terms": {
                "generator_consistency": {"weight": 1.0, "args": {"discriminator": "current"}},
                "discriminator_consistency": {"weight": 0.5, "args": {"discriminator": "current"}},
            },
            "students": {
                "adversarial_weight": 0.0,
                "reconstruction_weight": 0.0,
                "perceptual_weight": 0.0,
                "feature_matching_weight": 0.0,
                "cycle_weight": 0.0,
                "classification_weight": 0.0,
            },
        },
    },
    differs=(
        "the discriminator starts as the teacher's and goes on learning, as in table 1, row b; StarGAN's reconstruction loss, the cycle, "
        "is left out of equation 7; pruning is this project's search, not AGP's schedule"
    ),
)
