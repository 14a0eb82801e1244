"""Peak activation memory: the most bytes of activations that a forward pass holds at one time, in closed form and as measured."""

from autogc.cost.peak.columns import PeakColumns
from autogc.cost.peak.measured import MeasuredPeak, measure_peak
from autogc.cost.peak.model import PeakModel
from autogc.cost.peak.record import record

__all__ = ["MeasuredPeak", "PeakColumns", "PeakModel", "measure_peak", "record"]
