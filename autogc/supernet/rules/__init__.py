"""What each family of ATen operators does to the atoms of its tensors: one file a family, one handler an operator."""

from autogc.supernet.rules import combining, contraction, factory, movement, normalization, pointwise, reduction, spatial  # noqa: F401
from autogc.supernet.rules.registry import RULES, Call, NoRuleError, rule_for

__all__ = ["RULES", "Call", "NoRuleError", "rule_for"]
