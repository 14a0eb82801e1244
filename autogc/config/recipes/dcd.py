"""Discriminator-cooperated distillation."""

from autogc.config.recipes.recipe import Ask, Recipe

RECIPE = Recipe(
    paper="Discriminator-cooperated feature map distillation (Hu et al., CVPR 2023), weights of the released script",
    settings={
        "losses": {
            "perceptual": {
                "name": "vgg19",
                "args": {"layers": {"relu1_2": 0.0, "relu2_2": 1.0, "relu3_3": 0.0, "relu4_3": 0.0}, "distance": "l1"},
            },
            "perceptual_weight": 0.0,
            "distillation_weight": 0.0,
            "terms": {
                "discriminator_cooperated": {"weight": 1.0, "args": {"discriminator": "current"}},
                "gram_style": {"weight": 1e4, "against": "teacher", "args": {"of": "perceptual", "distance": "l1"}},
                "perceptual": {"weight": 10.0, "against": "teacher"},
            },
            "students": {"adversarial_weight": 1.0, "reconstruction_weight": 0.0, "feature_matching_weight": 0.0},
        },
    },
    differs=(
        "the teacher and its discriminator are trained first, and the discriminator goes on learning beside the student, where the paper "
        "trains all three together; from the teacher's channels to the discriminator's both generators' features go through one fixed map; "
        "VGG19 for VGG16"
    ),
    asks={
        "losses.perceptual.args.weights": Ask(
            "the file of torchvision's ImageNet weights of VGG19 (vgg19-dcbb9e9d.pth)", of="losses.perceptual.name"
        ),
        "losses.distillation_layers": Ask(
            "the modules whose outputs the discriminator is shown", of="losses.terms.discriminator_cooperated.weight"
        ),
    },
)
