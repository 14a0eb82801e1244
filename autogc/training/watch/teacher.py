"""What is said of a teacher that learned no more than an answer that costs nothing."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from autogc.config.experiment import Experiment
from autogc.data import Dataset
from autogc.progress import Progress
from autogc.training.randomness import seeded
from autogc.training.watch.scene import Scene
from autogc.training.watch.verdict import Rule, best_trivial, rule_of


def note_trivial_teacher(
    experiment: Experiment, data: Dataset, teacher: nn.Module, *, has_critic: bool, device: torch.device, progress: Progress
) -> bool:
    """Note, and return, whether a teacher's images are no nearer to the truth than the best trivial answer.

    By PSNR over ``supernet.watch_images`` validation images. Asked of paired data with a reconstruction term alone: elsewhere no input has
    one right answer. It is no error: a GAN's images may be sharper than they are near.
    """
    rule = rule_of(data.kind, experiment.losses, has_critic=has_critic)
    if data.kind != "paired" or rule != Rule():
        return False
    scene = Scene.of_truth(data, images=experiment.supernet.watch_images, seed=experiment.seed)
    with torch.no_grad(), seeded(experiment.seed, "watch", device=device):
        found = scene.to_answer(scene.make(_on(teacher.to(device).eval(), device)))
    trivial = {name: scene.to_answer(images) for name, images in scene.trivial().items()}
    best = best_trivial(rule, trivial)
    if found >= trivial[best] + rule.margin_db:
        return False
    progress.note(
        f"warning: the teacher is no better than an answer that costs nothing: its images are {found:.1f} dB from the real ones (PSNR, "
        f"{len(scene.examples)} validation images), {best} {trivial[best]:.1f} dB. What learns from it can be no better: more "
        "teacher.steps, another teacher.learning_rate, a larger losses.reconstruction_weight or a larger generator may help"
    )
    return True


def _on(module: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    return lambda inputs: module(inputs.to(device))
