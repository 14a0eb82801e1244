"""The teacher's discriminator as a feature network: whose features, kept with the judge, refused where it sees more than pictures."""

import pytest
import torch
from kinds import noise_to_grey, unpaired

from autogc.config.experiment import Component, ScoresConfig
from autogc.errors import ConfigError
from autogc.metrics import FEATURE_NETWORKS, Judge
from autogc.models import DISCRIMINATORS

DATA = unpaired()


def critic(name="patchgan", seed=0, channels=3, **args):
    torch.manual_seed(seed)
    return DISCRIMINATORS.build(name, {"base_channels": 4, "layers": 2, **args}, in_channels=channels)


def scores(layer="model.3"):
    return ScoresConfig(feature_network=Component(name="teacher_discriminator", args={"layer": layer}), segmenter=None)


def build(data=DATA, **args):
    return FEATURE_NETWORKS.build("teacher_discriminator", args, data=data, seed=0)


def test_features_are_the_means_of_its_maps():
    network, discriminator = build(layer="model.3"), critic()
    network.take(discriminator)
    pictures = DATA.validation.batch().target
    with torch.inference_mode():
        wanted = discriminator.model[:4](pictures).mean((2, 3))
        assert torch.equal(network.features(pictures), wanted)
    assert len(list(network.net.model[3]._forward_hooks)) == 0


def test_all_features_of_a_verdict():
    network, discriminator = build(), critic("multi_scale", scales=2)
    network.take(discriminator)
    pictures = DATA.validation.batch().target
    with torch.inference_mode():
        maps = [one for scale in discriminator.eval()(pictures).features for one in scale]
        assert torch.equal(network.features(pictures), torch.cat([one.mean((2, 3)) for one in maps], 1))


def test_one_of_grey_pictures_sees_one_channel():
    network = build(noise_to_grey(), layer="model.0")
    network.take(critic(channels=1))
    assert network.features(torch.zeros(2, 3, 32, 32)).shape == (2, 4)


def test_the_judge_keeps_its_weights(tmp_path):
    made = lambda inputs: torch.zeros(len(inputs), 3, 32, 32)  # noqa: E731
    first = Judge.prepare(scores(), DATA, tmp_path / "judge", seed=0, discriminator=critic)
    # Later nothing but its architecture is asked for.
    again = Judge.prepare(scores(), DATA, tmp_path / "judge", seed=0, discriminator=lambda: critic(seed=1))
    assert again.networks.hashes() == first.networks.hashes()
    assert again.score(made, DATA.validation, metrics=["fid"]) == first.score(made, DATA.validation, metrics=["fid"])


def test_it_needs_a_teacher(tmp_path):
    with pytest.raises(ConfigError, match="judges in a run that has a teacher"):
        Judge.prepare(scores(), DATA, tmp_path / "judge", seed=0)


@pytest.mark.parametrize(
    ("layer", "discriminator", "said"),
    [
        ("model.3", critic(channels=6), r"does not take pictures of 32 x 32 alone .* sees the input beside the picture"),
        ("model.33", critic(), r"has no module 'model\.33': did you mean"),
        (None, critic(), r"its verdict has no features; name a layer, such as model\.0, model\.2"),
    ],
)
def test_what_it_cannot_judge_by(layer, discriminator, said):
    with pytest.raises(ConfigError, match=said):
        build(layer=layer).take(discriminator)
