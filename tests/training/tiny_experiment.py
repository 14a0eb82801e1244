"""One tiny experiment that uses every dimension, for the tests of training."""

from typing import Any

from autogc.config.experiment import Experiment

OPTIMIZATION = {"steps": 6, "batch_size": 4, "checkpoint_every": 2, "log_every": 2}


def make_experiment(**changes: Any) -> Experiment:
    """The tiny experiment with some of its sections changed."""
    return Experiment.model_validate(
        {
            "name": "tiny",
            "device": "cpu",
            "data": {"name": "streets", "args": {"height": 32, "width": 32, "train": 10, "validation": 2, "test": 2}},
            "generator": {"name": "resnet", "args": {"base_channels": 8, "blocks": 1, "dropout": 0.5}},
            "discriminator": {"name": "patchgan", "args": {"base_channels": 8, "layers": 1}},
            "losses": {"distillation_layers": ["down2", "blocks.0"], "reconstruction_weight": 10.0},
            "teacher": OPTIMIZATION,
            # Six steps teach nobody anything.
            "supernet": {**OPTIMIZATION, "decompose": ["blocks.*"], "sampling": "sandwich", "accept_trivial": True},
            "finetune": OPTIMIZATION,
            "space": {
                "stages": {"all": ["*"]},
                "dimensions": {
                    "width": {"choices": {"*": [1.0, 0.5]}},
                    "operator": {"choices": {"*": ["dense", "separable"]}},
                    "filter_pruning": {"choices": {"*": [0.0, 0.25]}},
                    "element_pruning": {"choices": {"*": [0.0, 0.5]}},
                    "weight_bits": {"choices": {"*": [32, 8, 4]}},
                    "activation_bits": {"choices": {"*": [32, 8]}},
                },
            },
            **changes,
        }
    )
