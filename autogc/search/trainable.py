"""The Ray Tune trainable: evaluates one candidate, and then the next one in the same process."""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from typing import Any

import ray
from ray import tune

from autogc.search.evaluator import Evaluator, evaluate
from autogc.search.screening import Bar
from autogc.supernet.candidate import Candidate

CANDIDATE, BAR, OUTCOME, DEFECT = "candidate", "bar", "outcome", "defect"


class CandidateTrial(tune.Trainable):
    """Takes the candidate as JSON in its configuration, reports the outcome as JSON, and is done.

    ``evaluator`` holds a reference to an Evaluator in Ray's object store. JSON, so that Ray neither flattens what is inside
    nor looks for numbers in it (a NaN stops Ray's own bookkeeping).
    """

    def setup(self, config: dict[str, Any], evaluator: Sequence[ray.ObjectRef] = ()) -> None:
        self._reference = evaluator[0]
        self._evaluator: Evaluator | None = None
        self.reset_config(config)

    def step(self) -> dict[str, Any]:
        try:
            if self._evaluator is None:
                self._evaluator = ray.get(self._reference)
            return {OUTCOME: json.dumps(evaluate(self._evaluator, self._candidate, self._bar).to_json()), "done": True}
        except Exception:
            # Raised here (or in ``setup``) it would be taken for a worker's death; the driver raises it.
            return {DEFECT: traceback.format_exc(), "done": True}

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._candidate = Candidate.from_json(json.loads(new_config[CANDIDATE]))
        bar = json.loads(new_config[BAR])
        self._bar = None if bar is None else Bar(**bar)
        return True

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Write nothing: an evaluation that was cut off is done again. Ray asks for it before it reuses the process."""
        del checkpoint_dir
