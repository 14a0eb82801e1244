"""What weights a supernet begins with."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autogc.config.experiment import SpaceConfig
from autogc.errors import ConfigError
from autogc.supernet.candidate import Candidate
from autogc.supernet.space import Space
from autogc.supernet.start import QUIET, start_weights
from autogc.supernet.supernet import Supernet


class Stack(nn.Module):
    """Plain convolutions with PReLUs and no norm layers, added to the input."""

    def __init__(self, width: int = 16, depth: int = 8) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1), nn.PReLU(width)]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width)]
        self.body = nn.Sequential(*layers, nn.Conv2d(width, 3, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


@pytest.fixture
def supernet() -> Supernet:
    torch.manual_seed(0)
    return Supernet.convert(Stack(), torch.randn(1, 3, 16, 16), decompose=["body.*"])


def test_the_teachers_weights_are_left_as_they_are(supernet: Supernet) -> None:
    before = {name: tensor.clone() for name, tensor in supernet.module.state_dict().items()}
    start_weights(supernet, "teacher")
    assert all(torch.equal(tensor, before[name]) for name, tensor in supernet.module.state_dict().items())


def test_layers_of_one_shape_start_near_the_identity_and_those_that_make_the_image_quiet(supernet: Supernet) -> None:
    torch.manual_seed(1)
    start_weights(supernet, "identity")
    convs = {name: part for name, part in supernet.module.named_modules() if type(part).__name__ == "ElasticConv2d"}
    inner = convs["body.2"].weight
    bound = 1 / (16 * 9) ** 0.5  # PyTorch's uniform draw
    assert ((inner - nn.init.dirac_(torch.empty_like(inner))).abs() <= 0.5 * bound + 1e-6).all()
    assert inner.diagonal()[1, 1].min() > 0.9
    # He's deviation for 16 x 9 inputs and a leak of 0.25, and a tenth of it.
    he = (2 / (1 + 0.25**2) / (16 * 9)) ** 0.5
    assert convs["body.18"].weight.std().item() == pytest.approx(QUIET * he, rel=0.15)
    assert all(not conv.bias.any() for conv in convs.values())


def test_every_width_passes_its_input_on_through_every_layer(supernet: Supernet) -> None:
    """Sixteen layers that each lost half of the signal would leave a narrow subnet nothing to learn from."""
    torch.manual_seed(2)
    start_weights(supernet, "identity")
    x = torch.randn(4, 3, 16, 16)
    for width in (16, 8, 4, 2):
        widths = {} if width == 16 else {group.name: width for group in supernet.discovery.groups}
        module = supernet.extract(Candidate({"width": widths}))
        first = F.prelu(module.body[0](x), module.body[1].weight)
        last = module.body[:-1](x)
        assert 0.25 < last.std() / first.std() < 4, width


def test_a_start_is_a_function_of_the_seed(supernet: Supernet) -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        start_weights(supernet, "identity")
        found.append({name: tensor.clone() for name, tensor in supernet.module.state_dict().items()})
    assert all(torch.equal(tensor, found[1][name]) for name, tensor in found[0].items())


def test_another_name_is_refused(supernet: Supernet) -> None:
    with pytest.raises(ConfigError, match="teacher"):
        start_weights(supernet, "techer")


def test_spaces_are_the_same_whatever_the_start(supernet: Supernet) -> None:
    size = Space.build(SpaceConfig(), supernet).size
    start_weights(supernet, "identity")
    assert Space.build(SpaceConfig(), supernet).size == size
