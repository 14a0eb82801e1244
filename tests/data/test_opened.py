"""A dataset is opened once in a process."""

from autogc.config.experiment import Component
from autogc.data import open_data


def test_the_same_is_opened_once() -> None:
    small = Component(name="streets", args={"train": 1, "validation": 1, "test": 1})
    first = open_data(small, seed=0)
    assert open_data(Component(name="streets", args={"test": 1, "validation": 1, "train": 1}), seed=0) is first
    other = open_data(small, seed=1)
    assert other is not first and other.fingerprint != first.fingerprint
