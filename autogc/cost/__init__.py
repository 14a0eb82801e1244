"""Costs: MACs, parameters and stored bytes in closed form, latency as measured."""

from autogc.cost.formula import COSTS
from autogc.cost.fvcore_reference import fvcore_by_operator, fvcore_macs, fvcore_norm_macs
from autogc.cost.latency import Latency, measure_latency, protocol_of
from autogc.cost.model import CostModel
from autogc.cost.proof import prove

__all__ = [
    "COSTS",
    "CostModel",
    "Latency",
    "fvcore_by_operator",
    "fvcore_macs",
    "fvcore_norm_macs",
    "measure_latency",
    "protocol_of",
    "prove",
]
