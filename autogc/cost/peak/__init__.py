"""Peak activation memory: the most bytes of activations that a forward pass holds at one time, in closed form and as measured."""

from autogc.cost.peak.depths import PeakDepths
from autogc.cost.peak.measured import MeasuredPeak, measure_peak
from autogc.cost.peak.model import PeakModel
from autogc.cost.peak.record import record

__all__ = ["MeasuredPeak", "PeakDepths", "PeakModel", "measure_peak", "record"]
