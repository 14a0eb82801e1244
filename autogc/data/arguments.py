"""What is wrong with a dataset's arguments and folders: collected, then said all at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autogc.errors import ConfigError, DataError

SMALLEST = 8


class Problems:
    """Collects what is wrong with the dataset ``name``; ``stop`` raises it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._arguments: list[str] = []
        self._files: list[str] = []

    def expect(self, right: bool, otherwise: str) -> None:
        """Note ``otherwise`` about the arguments unless they are ``right``."""
        if not right:
            self._arguments.append(f"{self.name}: {otherwise}")

    def missing(self, what: str) -> None:
        """Note what is wrong with files."""
        self._files.append(what)

    def at_least(self, least: int, **values: int | None) -> None:
        """Note the values that are not whole numbers from ``least`` on; None is right."""
        for name, value in values.items():
            whole = isinstance(value, int) and not isinstance(value, bool)
            self.expect(value is None or (whole and value >= least), f"{name} must be a whole number of at least {least}, got {value!r}")

    def size(self, height: int | None, width: int | None, load_height: int | None = None, load_width: int | None = None) -> None:
        """Note what is wrong with a size, and with the larger one that training samples are cut out of."""
        self.at_least(SMALLEST, height=height, width=width, load_height=load_height, load_width=load_width)
        self.expect((load_height is None) == (load_width is None), "load_height and load_width are given together, or neither")
        if self._arguments:
            return
        for name, load, least in (("load_height", load_height, height), ("load_width", load_width, width)):
            self.expect(load is None or least is None or load >= least, f"{name} must be at least the {name[5:]} of {least}, got {load}")

    def folders(self, name: str, given: Any, *, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> bool:
        """Note unless ``given`` is a mapping with the ``needed`` names, and perhaps ``optional`` ones, to texts; return whether it is."""
        right = isinstance(given, Mapping) and set(needed) <= set(given) <= {*needed, *optional}
        right = right and all(isinstance(value, str) for value in given.values())
        shape = ", ".join([f"{key}: FOLDER" for key in needed] + [f"{key}: FOLDER (optional)" for key in optional])
        self.expect(right, f"{name} must be {{{shape}}}, got {given!r}")
        return right

    def root(self, root: str) -> Path:
        """Return the folder, and note where there is none."""
        base = Path(root).expanduser()
        if not base.is_dir():
            self.missing(f"the dataset folder {base} does not exist (current directory: {Path.cwd()}): set data.args.root")
        return base

    def stop(self) -> None:
        """Raise everything noted: ``ConfigError`` for arguments, ``DataError`` for files."""
        if self._arguments:
            raise ConfigError(self._arguments + self._files)
        if self._files:
            raise DataError("\n".join(self._files))
