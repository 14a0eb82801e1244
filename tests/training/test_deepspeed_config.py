"""The DeepSpeed configuration: what is filled in, what is left as given, what is refused."""

import os
import subprocess
import sys
from typing import Any

import pytest

from autogc.config.experiment import Optimization
from autogc.errors import ConfigError
from autogc.training.deepspeed_config import complete
from autogc.training.deepspeed_keys import KNOWN, REMOVED
from autogc.training.schedule import rate_factor


def optimization(deepspeed: dict[str, Any] | None = None, **changes: Any) -> Optimization:
    return Optimization(**{"steps": 10, "batch_size": 8, "deepspeed": deepspeed or {}, **changes})


def test_an_empty_configuration_is_filled_in_whole() -> None:
    assert complete(optimization(learning_rate=1e-3), workers=2) == {
        "train_batch_size": 8,
        "train_micro_batch_size_per_gpu": 4,
        "gradient_accumulation_steps": 1,
        "optimizer": {
            "type": "Adam",
            "params": {"lr": 1e-3, "betas": [0.5, 0.999], "torch_adam": True, "adam_w_mode": False, "weight_decay": 0.0},
        },
        "zero_optimization": {"stage": 0},
        "gradient_clipping": 0.0,
        "steps_per_print": None,
    }


def test_what_the_user_says_stays_and_is_not_changed_in_place() -> None:
    given = {
        "optimizer": {"type": "AdamW", "params": {"lr": 0.5, "weight_decay": 0.1}},
        "zero_optimization": {"stage": 2, "overlap_comm": False},
        "gradient_clipping": 3.0,
        "gradient_accumulation_steps": 2,
        "wall_clock_breakdown": True,
    }
    config = optimization(given)
    found = complete(config, workers=2)
    assert found["optimizer"] == {"type": "AdamW", "params": {"lr": 0.5, "weight_decay": 0.1, "betas": [0.5, 0.999], "torch_adam": True}}
    assert {key: found[key] for key in given if key != "optimizer"} == {key: given[key] for key in given if key != "optimizer"}
    assert found["train_micro_batch_size_per_gpu"] == 2
    assert given["optimizer"]["params"] == {"lr": 0.5, "weight_decay": 0.1}


def test_bf16_gets_master_weights() -> None:
    assert complete(optimization({"bf16": {"enabled": True}}), workers=1)["zero_optimization"] == {"stage": 1}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"zero_optimization": {"stage": 3}}, "0, 1 and 2 are"),
        ({"zero_optimization": {"stage": "two"}}, "'two' is not supported"),
        ({"bf16": {"enabled": True}, "zero_optimization": {"stage": 0}}, "stage 1 or 2"),
        ({"fp16": {"enabled": True}}, "use bf16"),
        ({"zero_optimisation": {"stage": 1}}, "deepspeed.zero_optimisation: DeepSpeed has no such key; did you mean 'zero_optimization'"),
        ({"amp": {"enabled": True}}, "deepspeed.amp: DeepSpeed has removed this feature; leave it out"),
        ({"gradient_accumulation_steps": 0}, "positive number, got 0"),
        ({"gradient_accumulation_steps": 3}, "choose a multiple of 3"),
        ({"train_batch_size": 16}, "makes it 8"),
        ({"train_micro_batch_size_per_gpu": 1}, "makes it 8"),
    ],
)
def test_what_this_training_cannot_do_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        complete(optimization(given), workers=1)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        complete(optimization({"fp16": {"enabled": True}, "zero_optimization": {"stage": 3}}), workers=1)
    assert len(caught.value.problems) == 2


def test_the_rate_is_constant_then_falls_in_a_line_to_zero() -> None:
    config = optimization(steps=8, constant_fraction=0.5)
    assert [rate_factor(config, step) for step in range(9)] == [1, 1, 1, 1, 1, 0.75, 0.5, 0.25, 0]


@pytest.mark.parametrize(("fraction", "first", "last"), [(0.0, 1.0, 0.125), (1.0, 1.0, 1.0)])
def test_the_rate_at_the_ends_of_the_range(fraction: float, first: float, last: float) -> None:
    config = optimization(steps=8, constant_fraction=fraction)
    assert (rate_factor(config, 0), rate_factor(config, 7)) == (first, last)


@pytest.mark.parametrize(
    "given", [{"optimizer": "adam"}, {"optimizer": {"params": None}}, {"zero_optimization": 2}, {"bf16": True}, {"data_types": None}]
)
def test_what_must_be_a_section_is_told(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"deepspeed\.{next(iter(given))}.* must be a section"):
        complete(optimization(given), workers=1)


ASK = """
from deepspeed.runtime.config import DeepSpeedConfig

asked = set()

class Keys:
    def __contains__(self, key):
        asked.add(key)

class Recording(dict):
    def get(self, key, default=None):
        asked.add(key)
        return super().get(key, default)
    def __contains__(self, key):
        asked.add(key)
        return super().__contains__(key)
    def keys(self):
        return Keys()
    def copy(self):
        return self
    def __deepcopy__(self, memory):
        return self

DeepSpeedConfig(Recording(train_batch_size=1))
print(*asked)
"""


def test_the_known_keys_are_those_that_deepspeed_asks_for() -> None:
    process = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "DS_ACCELERATOR": "cpu"}
    done = subprocess.run([sys.executable, "-c", ASK], env={**os.environ, **process}, capture_output=True, text=True, check=True)
    asked = set(done.stdout.splitlines()[-1].split())
    assert asked >= {"zero_optimization", "optimizer", "gradient_clipping"}
    assert asked == KNOWN | REMOVED
