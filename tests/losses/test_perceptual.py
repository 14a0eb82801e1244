"""The distance in VGG19's features against a network in torchvision's layout, with weights that the test makes."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from autogc.errors import CheckpointError, ConfigError
from autogc.files import sha256_file
from autogc.losses import PERCEPTUAL
from autogc.losses.perceptual import SPADE_LAYERS, Vgg19Distance

# torchvision's configuration E as far as the second block's first convolution: what is behind weighs most and adds nothing to see.
FIRST_LAYERS = [
    nn.Conv2d(3, 64, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(64, 64, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2, 2),
    nn.Conv2d(64, 128, 3, padding=1),
    nn.ReLU(),
]


@pytest.fixture(scope="module")
def reference() -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential(*FIRST_LAYERS)
    for part in network:
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def weights(reference: nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg19.pth"
    state = {f"features.{name}": value for name, value in reference.state_dict().items()}
    torch.save(state | {"classifier.0.bias": torch.zeros(4)}, path)
    return path


def normalised(images: Tensor) -> Tensor:
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    return ((images + 1) / 2 - mean[:, None, None]) / deviation[:, None, None]


def test_the_distance_is_the_weighted_sum_over_layers(weights: Path, reference: nn.Sequential) -> None:
    layers = {"relu2_1": 0.5, "relu1_1": 2.0}
    perceptual = PERCEPTUAL.build("vgg19", {"weights": str(weights), "layers": layers})
    image, target = torch.rand(2, 3, 16, 16) * 2 - 1, torch.rand(2, 3, 16, 16) * 2 - 1
    shallow = [reference[:2](normalised(x)) for x in (image, target)]
    deep = [reference(normalised(x)) for x in (image, target)]
    expected = 2 * (shallow[0] - shallow[1]).abs().mean() + 0.5 * (deep[0] - deep[1]).abs().mean()
    torch.testing.assert_close(perceptual(image, target), expected)
    assert perceptual(image, image) == 0


def test_squared_distances_and_convolutions_before_their_activation(weights: Path, reference: nn.Sequential) -> None:
    perceptual = PERCEPTUAL.build("vgg19", {"weights": str(weights), "layers": {"conv1_2": 0.006}, "distance": "mse"})
    image, target = torch.rand(1, 3, 8, 8) * 2 - 1, torch.rand(1, 3, 8, 8) * 2 - 1
    found = [reference[:3](normalised(x)) for x in (image, target)]
    torch.testing.assert_close(perceptual(image, target), 0.006 * (found[0] - found[1]).square().mean())


def test_grey_pictures_are_seen_as_three_equal_channels(weights: Path) -> None:
    perceptual = PERCEPTUAL.build("vgg19", {"weights": str(weights), "layers": {"relu2_1": 1}})
    image, target = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(perceptual(image, target), perceptual(image.repeat(1, 3, 1, 1), target.repeat(1, 3, 1, 1)))
    with pytest.raises(ConfigError, match="not 2 channels"):
        perceptual(torch.rand(1, 2, 8, 8), torch.rand(1, 2, 8, 8))


def test_only_the_image_gets_a_gradient(weights: Path) -> None:
    perceptual = PERCEPTUAL.build("vgg19", {"weights": str(weights), "layers": {"relu1_1": 1}})
    image, target = torch.rand(1, 3, 8, 8, requires_grad=True), torch.rand(1, 3, 8, 8, requires_grad=True)
    perceptual(image, target).backward()
    assert image.grad is not None and image.grad.abs().max() > 0
    assert target.grad is None
    assert not any(parameter.requires_grad for parameter in perceptual.parameters()) and not perceptual.training


def test_safetensors_give_the_same_and_the_files_hash_is_known(weights: Path, tmp_path: Path) -> None:
    other = tmp_path / "vgg19.safetensors"
    save_file(torch.load(weights, weights_only=True), other)
    image, target = torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)
    networks = [PERCEPTUAL.build("vgg19", {"weights": str(path), "layers": {"relu2_1": 1}}) for path in (weights, other)]
    assert torch.equal(networks[0](image, target), networks[1](image, target))
    assert [network.weights_hash for network in networks] == [sha256_file(weights), sha256_file(other)]


def test_the_whole_network_is_vgg19_up_to_the_deepest_layer() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1, generator=torch.Generator().manual_seed(3))
    whole, spades = Vgg19Distance({"relu5_4": 1}), Vgg19Distance(SPADE_LAYERS)
    assert torch.rand(1) == expected  # Building one draws nothing.
    # torchvision's features hold 20,024,384 parameters.
    assert sum(parameter.numel() for parameter in whole.parameters()) == 20_024_384
    assert list(spades.features)[-1] == "relu5_1"
    assert [name for name in spades.features if name in SPADE_LAYERS] == ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]


def test_what_cannot_work_is_named(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere.pth does not exist; give torchvision's"):
        PERCEPTUAL.build("vgg19", {"weights": str(tmp_path / "nowhere.pth")})
    with pytest.raises(ConfigError, match="no layer 'relu6_1'"):
        PERCEPTUAL.build("vgg19", {"weights": str(weights), "layers": {"relu6_1": 1}})
    with pytest.raises(ConfigError, match="one layer at least"):
        PERCEPTUAL.build("vgg19", {"weights": str(weights), "layers": {}})
    with pytest.raises(ConfigError, match="distance must be one of l1, mse"):
        PERCEPTUAL.build("vgg19", {"weights": str(weights), "distance": "l3"})
    with pytest.raises(CheckpointError, match=r"features\.7\.weight should have shape \(128, 128, 3, 3\), it has nothing"):
        PERCEPTUAL.build("vgg19", {"weights": str(weights), "layers": {"relu2_2": 1}})
    broken = tmp_path / "broken.pth"
    for name in ("broken.pth", "broken.safetensors"):
        broken = tmp_path / name
        broken.write_bytes(b"nothing that a network could be read from")
        with pytest.raises(CheckpointError, match="is not a weights file"):
            PERCEPTUAL.build("vgg19", {"weights": str(broken)})
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CheckpointError, match="holds a list"):
        PERCEPTUAL.build("vgg19", {"weights": str(tmp_path / "list.pth")})
