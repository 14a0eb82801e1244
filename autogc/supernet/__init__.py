"""The weight-shared supernet: what is elastic in a generator, candidates, and the subnets they name."""

from autogc.supernet.candidate import Candidate, Value
from autogc.supernet.decisions import Decision
from autogc.supernet.discover import discover
from autogc.supernet.groups import AxisMember, ChannelGroup, Discovery, WeightUse
from autogc.supernet.operators import ElasticConv2d, QuantizedInput, SeparableConv2d
from autogc.supernet.space import Genotype, Space
from autogc.supernet.supernet import Supernet
from autogc.supernet.verify import verify

__all__ = [
    "AxisMember",
    "Candidate",
    "ChannelGroup",
    "Decision",
    "Discovery",
    "ElasticConv2d",
    "Genotype",
    "QuantizedInput",
    "SeparableConv2d",
    "Space",
    "Supernet",
    "Value",
    "WeightUse",
    "discover",
    "verify",
]
