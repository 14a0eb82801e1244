"""Latency: measured end to end, and predicted from measured layers."""

from autogc.cost.latency.backends import BACKENDS, backend_of
from autogc.cost.latency.build import build_latency_table, predictor_from
from autogc.cost.latency.devices import device_name, latency_device
from autogc.cost.latency.measure import Instruments, Latency, measure_latency, protocol_of
from autogc.cost.latency.predictor import LatencyPredictor
from autogc.cost.latency.table import LatencyTable, Setting

__all__ = [
    "BACKENDS",
    "Instruments",
    "Latency",
    "LatencyPredictor",
    "LatencyTable",
    "Setting",
    "backend_of",
    "build_latency_table",
    "device_name",
    "latency_device",
    "measure_latency",
    "predictor_from",
    "protocol_of",
]
