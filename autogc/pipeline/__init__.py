"""The main job: which stages there are, what is done, what is left."""

from autogc.pipeline.check import Checked, check
from autogc.pipeline.job import run_of, run_stage, run_stages
from autogc.pipeline.plan import Plan, make_plan
from autogc.pipeline.report import Report
from autogc.pipeline.run import Run
from autogc.pipeline.score import evaluate_package
from autogc.pipeline.stages import STAGES
from autogc.pipeline.stages.export import export_chosen, export_subnet
from autogc.pipeline.stages.finetune import finetune_package

__all__ = [
    "STAGES",
    "Checked",
    "Plan",
    "Report",
    "Run",
    "check",
    "evaluate_package",
    "export_chosen",
    "export_subnet",
    "finetune_package",
    "make_plan",
    "run_of",
    "run_stage",
    "run_stages",
]
