"""Latency: measured end to end, and predicted from measured layers."""

from autogc.cost.latency.backends import BACKENDS, backend_of
from autogc.cost.latency.devices import device_name, latency_device
from autogc.cost.latency.measure import Instruments, Latency, measure_latency, protocol_of

__all__ = ["BACKENDS", "Instruments", "Latency", "backend_of", "device_name", "latency_device", "measure_latency", "protocol_of"]
