"""The search: one durable Optuna study says what to evaluate, Ray Tune evaluates it, the ledger keeps it.

Imported names are loaded at first use: reading a ledger needs neither Optuna nor Ray.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autogc.search.calibration import calibration_batches
    from autogc.search.choice import Choice, choose, finalists
    from autogc.search.driver import run_search
    from autogc.search.evaluator import CandidateEvaluator, Evaluator
    from autogc.search.feasibility import check_feasible
    from autogc.search.ledger import Evaluation, Ledger
    from autogc.search.pareto import front, hypervolume, knee, non_dominated, pick
    from autogc.search.samplers import SAMPLERS
    from autogc.search.study import Proposal, SearchStudy

_HOMES = {
    "CandidateEvaluator": "evaluator",
    "Evaluation": "ledger",
    "Evaluator": "evaluator",
    "Ledger": "ledger",
    "Proposal": "study",
    "SAMPLERS": "samplers",
    "SearchStudy": "study",
    "calibration_batches": "calibration",
    "check_feasible": "feasibility",
    "Choice": "choice",
    "choose": "choice",
    "finalists": "choice",
    "front": "pareto",
    "hypervolume": "pareto",
    "knee": "pareto",
    "non_dominated": "pareto",
    "pick": "pareto",
    "run_search": "driver",
}

__all__ = [
    "SAMPLERS",
    "CandidateEvaluator",
    "Choice",
    "Evaluation",
    "Evaluator",
    "Ledger",
    "Proposal",
    "SearchStudy",
    "calibration_batches",
    "check_feasible",
    "choose",
    "finalists",
    "front",
    "hypervolume",
    "knee",
    "non_dominated",
    "pick",
    "run_search",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
