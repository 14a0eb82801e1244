"""Costs: MACs, bit operations, parameters and stored bytes in closed form and counted again on real modules, latency as measured."""

from autogc.cost.formula import COSTS
from autogc.cost.fvcore_reference import fvcore_by_module, fvcore_by_operator, fvcore_macs, fvcore_norm_macs
from autogc.cost.latency import Latency, measure_latency, protocol_of
from autogc.cost.model import CostModel
from autogc.cost.peak import MeasuredPeak, measure_peak
from autogc.cost.proof import prove
from autogc.cost.recount import LayerCount, Recount, recount
from autogc.cost.timed import TimedCostModel

__all__ = [
    "COSTS",
    "CostModel",
    "Latency",
    "LayerCount",
    "MeasuredPeak",
    "Recount",
    "TimedCostModel",
    "fvcore_by_module",
    "fvcore_by_operator",
    "fvcore_macs",
    "fvcore_norm_macs",
    "measure_latency",
    "measure_peak",
    "protocol_of",
    "prove",
    "recount",
]
