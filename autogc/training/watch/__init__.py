"""What a stage says while it trains: whether what it makes is any better than answers that cost nothing."""

from autogc.training.watch.supernet import SupernetWatch, look_interval
from autogc.training.watch.teacher import note_trivial_teacher

__all__ = ["SupernetWatch", "look_interval", "note_trivial_teacher"]
