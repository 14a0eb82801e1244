"""The stages of the job, in their order, one file each."""

from autogc.pipeline.stages import export, finetune, report, search, supernet, teacher

STAGES = (teacher.STAGE, supernet.STAGE, search.STAGE, export.STAGE, finetune.STAGE, report.STAGE)

__all__ = ["STAGES"]
