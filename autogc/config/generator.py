"""The experiment file's ``generator``: a registered one by its name, or a class of the user's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field, SerializerFunctionWrapHandler, field_validator, model_serializer, model_validator

from autogc.config.section import Positive, Section

_FILE = re.compile(r"(?P<source>.+\.py):(?P<name>[A-Za-z_]\w*)")
_DOTTED = re.compile(r"(?P<source>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*)[:.](?P<name>[A-Za-z_]\w*)")
FORMS = "path/to/file.py:ClassName, or package.module:ClassName of an installed package"


class GeneratorConfig(Section):
    """What is to be compressed. ``name`` is a registered generator, ``module`` the user's own class; one of them, and only one.

    A registered generator's builder gets ``args`` and what the data says (channels, size); a class gets ``args`` and nothing else.
    """

    name: str | None = None
    # path/to/file.py:ClassName, looked for beside the experiment file and then here; or package.module:ClassName, installed.
    module: str | None = None
    args: dict[str, Any] = Field(default_factory=dict)
    # (C, H, W) of one input: needed by `autogc inspect` where there is no data to ask; where there is, it must be the data's.
    input_shape: tuple[Positive, Positive, Positive] | None = None
    # Of the class's source (see source.py). Written when the file is read, so that a run knows its generator again.
    source_sha256: str | None = None

    @field_validator("module")
    @classmethod
    def _one_spelling(cls, module: str | None) -> str | None:
        if module is None:
            return None
        found = split_module(module)
        if found is None:
            raise ValueError(f"must be {FORMS}, got {module!r}")
        return ":".join(found)

    @model_validator(mode="after")
    def _one_of(self) -> GeneratorConfig:
        if (self.name is None) == (self.module is None):
            given = "neither" if self.name is None else "both"
            raise ValueError(f"needs either name (a registered generator) or module (a class of your own: {FORMS}), got {given}")
        if self.source_sha256 is not None and self.module is None:
            raise ValueError("source_sha256 goes with module")
        return self

    @model_serializer(mode="wrap")
    def _without_absent(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if value is not None}

    @property
    def source(self) -> str | None:
        """The file or the dotted module that has the user's class; None for a registered generator."""
        return None if self.module is None else self.module.rpartition(":")[0]

    @property
    def class_name(self) -> str | None:
        """The name of the user's class; None for a registered generator."""
        return None if self.module is None else self.module.rpartition(":")[2]

    @property
    def label(self) -> str:
        """What it is called in messages and tables: ``resnet``, ``file.py:ClassName``."""
        if self.module is None:
            assert self.name is not None
            return self.name
        return f"{Path(self.source or '').name}:{self.class_name}"

    @property
    def identity(self) -> dict[str, Any]:
        """What decides which network this is: for a class its source's content, wherever the file lies."""
        if self.module is None:
            return {"name": self.name, "args": self.args}
        source = {"source": self.source} if self.source_sha256 is None else {"source_sha256": self.source_sha256}
        return {"class": self.class_name, "args": self.args, **source}


def split_module(module: str) -> tuple[str, str] | None:
    """Return the source (a file's path or a dotted module) and the class's name; None where ``module`` is neither form."""
    found = _FILE.fullmatch(module) or _DOTTED.fullmatch(module)
    return (found["source"], found["name"]) if found and not is_file(module) else None


def is_file(source: str) -> bool:
    """Tell a file's path from a dotted module."""
    return source.endswith(".py")
