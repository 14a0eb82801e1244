"""Online multi-granularity distillation."""

from autogc.config.recipes.recipe import Ask, Recipe

RECIPE = Recipe(
    paper="Online multi-granularity distillation (Ren et al., ICCV 2021), weights of the released scripts",
    settings={
        "losses": {
            "perceptual": {
                "name": "vgg19",
                # The style is taken at all four, the features at the second alone.
                "args": {"layers": {"relu1_2": 0.0, "relu2_2": 1.0, "relu3_3": 0.0, "relu4_3": 0.0}, "distance": "l1"},
            },
            "perceptual_weight": 0.0,
            "distillation_weight": 0.0,
            "terms": {
                "ssim": {"weight": 10.0, "against": "teacher"},
                "gram_style": {"weight": 1e4, "against": "teacher", "args": {"of": "perceptual", "distance": "l1"}},
                "perceptual": {"weight": 10.0, "against": "teacher"},
                "total_variation": {"weight": 1e-5},
                "channel_distillation": {"weight": 500.0},
            },
            "students": {
                "adversarial_weight": 0.0,
                "reconstruction_weight": 0.0,
                "feature_matching_weight": 0.0,
                "cycle_weight": 0.0,
                "classification_weight": 0.0,
            },
        },
    },
    differs=(
        "the teacher is trained first and then fixed, where OMGD's learns beside its student; one teacher, not a wide and a deep one; "
        "VGG19 with ImageNet's normalisation for VGG16; channels are compared through plain 1x1 maps; SSIM is of images in [0, 1], its "
        "windows inside. The channels' weight is horse2zebra's (100 for summer2winter)"
    ),
    asks={
        "losses.perceptual.args.weights": Ask(
            "the file of torchvision's ImageNet weights of VGG19 (vgg19-dcbb9e9d.pth)", of="losses.perceptual.name"
        ),
        "losses.distillation_layers": Ask(
            "the modules whose channels are compared (or losses.terms.channel_distillation=0)",
            of="losses.terms.channel_distillation.weight",
        ),
    },
)
