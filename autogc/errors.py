"""What a user can get wrong, as one tree: catch ``AutogcError`` to catch them all.

Every message states what is wrong, where, and what would work.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class AutogcError(ValueError):
    """Something that the user gave cannot be used."""


class ConfigError(AutogcError):
    """An experiment file is wrong. ``problems`` holds every problem found, not only the first."""

    def __init__(self, problems: Sequence[str] | str, *, source: str = "experiment") -> None:
        self.problems: list[str] = [problems] if isinstance(problems, str) else list(problems)
        self.source = source
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        listed = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{source}: {count} {noun}\n{listed}")


class DataError(AutogcError):
    """A dataset is missing, empty, unpaired or holds an undecodable file."""


class CheckpointError(AutogcError):
    """A checkpoint does not fit: names missing or unexpected, shapes that differ, a damaged file."""


class ConversionError(AutogcError):
    """A generator cannot be converted to a supernet."""


class CandidateError(AutogcError):
    """A candidate names something that the supernet does not have, or a value outside its range."""


class InfeasibleError(AutogcError):
    """No candidate of the space can meet the constraints."""


class RunDirectoryError(AutogcError):
    """A run directory belongs to another experiment, or is in use."""


class MetricError(AutogcError):
    """A metric cannot be computed from what it was given (too few samples, NaN images, ...)."""


class DivergenceError(AutogcError):
    """Training produced values that are not finite; the last good checkpoint is kept."""


class CollapseError(AutogcError):
    """A trained supernet is no better than answers that cost nothing; what was trained is kept."""


class MissingStageError(AutogcError):
    """A stage was asked for whose inputs are not there yet."""


# How many names a message lists before it counts the rest.
LISTED = 24


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a hint such as ``did you mean 'width'?`` or the list of valid names, as far as it can be read."""
    options = sorted(valid)
    close = difflib.get_close_matches(name, options, n=2, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(repr(option) for option in close) + "?"
    more = f", and {len(options) - LISTED} more" if len(options) > LISTED else ""
    return "valid: " + ", ".join(options[:LISTED]) + more
