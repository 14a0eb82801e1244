"""Running statistics per subnet: the mean over all calibration batches, never the supernet's own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from autogc.errors import AutogcError, CandidateError
from autogc.supernet import Candidate, Supernet
from autogc.supernet.statistics import recalibrate, statistics_of

GENERATOR = torch.Generator().manual_seed(3)
BATCHES = [torch.randn(size, 3, 16, 16, generator=GENERATOR) * scale + 1 for size, scale in ((4, 1.0), (4, 2.0), (2, 3.0))]
X = torch.randn(2, 3, 16, 16, generator=GENERATOR)


class Normed(nn.Module):
    def __init__(self, norm: type[nn.Module] = nn.BatchNorm2d) -> None:
        super().__init__()
        self.first, self.norm1 = nn.Conv2d(3, 16, 3, padding=1), norm(16)
        self.second, self.norm2 = nn.Conv2d(16, 8, 3, padding=1), norm(8)
        self.drop = nn.Dropout(0.5)
        self.last = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(torch.relu(self.norm1(self.first(x))))
        y: Tensor = self.last(torch.relu(self.norm2(self.second(x))))
        return y


def tracking_instance_norm(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True, track_running_stats=True)


def converted(norm: object = nn.BatchNorm2d) -> Supernet:
    torch.manual_seed(0)
    return Supernet.convert(Normed(norm), X[:1], verify=False)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    return converted()


NARROW = Candidate({"width": {"first": 8}, "weight_bits": {"second": 4}, "activation_bits": {"second": 6}})
OTHER = Candidate({"width": {"first": 4, "second": 4}})


def test_statistics_are_the_mean_over_all_batches_weighted_by_their_samples(supernet: Supernet) -> None:
    found = supernet.calibrate(NARROW, BATCHES)
    tensors = supernet.materialize(NARROW)
    maps = [torch.nn.functional.conv2d(batch, tensors["first.weight"], tensors["first.bias"], padding=1) for batch in BATCHES]
    means = torch.stack([one.mean((0, 2, 3)) for one in maps])
    variances = torch.stack([one.transpose(0, 1).flatten(1).var(1) for one in maps])
    shares = torch.tensor([4.0, 4.0, 2.0])[:, None] / 10
    torch.testing.assert_close(found["norm1.running_mean"], (means * shares).sum(0))
    torch.testing.assert_close(found["norm1.running_var"], (variances * shares).sum(0))
    assert int(found["norm1.num_batches_tracked"]) == 3
    # The second layer's come from what the first gives in training mode, without dropout and with the candidate's bits.
    assert found["norm2.running_mean"].shape == (8,)
    module = supernet.extract(NARROW, found)
    assert {name: value.tolist() for name, value in statistics_of(module).items()} == {n: v.tolist() for n, v in found.items()}


def test_the_functional_and_the_extracted_subnet_agree_and_nothing_is_left_behind(supernet: Supernet) -> None:
    before = copy.deepcopy(supernet.state_dict())
    first = supernet.calibrate(NARROW, BATCHES)
    other = supernet.calibrate(OTHER, BATCHES)
    again = supernet.calibrate(NARROW, BATCHES)
    assert first.keys() == again.keys() and all(torch.equal(first[name], again[name]) for name in first)
    supernet.eval()
    with torch.no_grad():
        made = supernet(X, NARROW, first)
        assert float((made - supernet.extract(NARROW, first)(X)).abs().max()) <= 1e-5
        assert torch.equal(made, supernet(X, NARROW, again))
        assert float((made - supernet(X, NARROW)).abs().max()) > 1e-2  # slices of the supernet's statistics are other ones
    assert other["norm1.running_mean"].shape == (4,)
    assert all(torch.equal(before[name], value) for name, value in supernet.state_dict().items())


def test_training_with_given_statistics_leaves_them_alone(supernet: Supernet) -> None:
    found = supernet.calibrate(NARROW, BATCHES)
    kept = {name: value.clone() for name, value in found.items()}
    supernet.train()
    supernet(X, NARROW, found)
    supernet.eval()
    assert all(torch.equal(kept[name], value) for name, value in found.items())


def test_instance_norms_with_running_statistics_are_calibrated_too() -> None:
    supernet = converted(tracking_instance_norm)
    found = supernet.calibrate(NARROW, BATCHES)
    tensors = supernet.materialize(NARROW)
    maps = torch.cat([torch.nn.functional.conv2d(batch, tensors["first.weight"], tensors["first.bias"], padding=1) for batch in BATCHES])
    torch.testing.assert_close(found["norm1.running_mean"], maps.mean((2, 3)).mean(0))
    torch.testing.assert_close(found["norm1.running_var"], maps.flatten(2).var(2).mean(0))


def test_a_layer_that_is_called_twice_averages_over_both_calls() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            self.norm(x)
            y: Tensor = self.norm(3 * x + 1)
            return y

    module = recalibrate(Twice(), BATCHES[:2])
    expected = torch.stack([one.mean((0, 2, 3)) for batch in BATCHES[:2] for one in (batch, 3 * batch + 1)]).mean(0)
    torch.testing.assert_close(module.get_buffer("norm.running_mean"), expected)
    assert module.get_submodule("norm").momentum == 0.1 and not module.get_submodule("norm").training


def test_a_generator_without_them_asks_for_no_batch() -> None:
    supernet = converted(lambda channels: nn.InstanceNorm2d(channels))

    def batches():  # type: ignore[no-untyped-def]
        raise AssertionError("a batch was asked for")
        yield

    assert not supernet.has_statistics
    assert supernet.calibrate(NARROW, batches()) == {}


def test_what_can_not_be_calibrated_is_told(supernet: Supernet) -> None:
    with pytest.raises(AutogcError, match="there are none"):
        supernet.calibrate(NARROW, [])
    with pytest.raises(AutogcError, match="larger calibration batches"):
        supernet.calibrate(NARROW, [X[:1, :, :1, :1]])
    with pytest.raises(CandidateError, match=r"norm1\.running_mean.*\(8,\).*of another candidate"):
        supernet.materialize(OTHER, supernet.calibrate(NARROW, BATCHES))
