"""A generator that is a class of the user's own, in a package: its source travels as data and runs only where the caller says so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autogc.config.generator import GeneratorConfig, is_file
from autogc.config.source import Source
from autogc.errors import CheckpointError, ConfigError

# The copy of the source in a package.
COPY = "generator.py"


def builder_of(generator: GeneratorConfig) -> dict[str, Any]:
    """Return what ``architecture.json`` says of the full generator: a name and args, or a class, args and where its source was."""
    if generator.source is None:
        return {"name": generator.name, "args": dict(generator.args)}
    source = Source.find(generator.source)
    said = Path(generator.source).name if is_file(generator.source) else generator.source
    return {
        "class": generator.class_name,
        "args": dict(generator.args),
        "source": said,
        "source_sha256": source.sha256,
        "source_imports": list(source.beside),
    }


def generator_of(builder: Mapping[str, Any], directory: Path, *, trust_source: bool, source: str | Path | None) -> GeneratorConfig:
    """Return the generator that a package is built from. Nothing is imported here.

    Raises CheckpointError where it is a class of somebody's own and the caller has not said which source may run.
    """
    if "name" in builder:
        return GeneratorConfig(name=builder["name"], args=dict(builder["args"]))
    label = f"{builder['source']}:{builder['class']}"
    if source is None:
        if not trust_source:
            raise CheckpointError(
                f"{directory}: its generator is {label}, which is not part of autogc, and building it runs its source. Where you have that "
                f"source, pass source={_example(builder)!r}; or read {directory / COPY} and, if you trust it, pass trust_source=True"
            )
        source = _own_source(builder, directory)
    try:
        found = Source.find(str(source)).sha256
    except ConfigError as error:
        raise CheckpointError(f"{directory}: the source of its generator {label}: {'; '.join(error.problems)}") from None
    if found != builder["source_sha256"]:
        raise CheckpointError(
            f"{directory}: {source} is not the source of its generator {label}: its SHA-256 is {found[:16]}..., architecture.json says "
            f"{builder['source_sha256'][:16]}...; that content is in {COPY} there"
        )
    return GeneratorConfig(module=f"{source}:{builder['class']}", args=dict(builder["args"]), source_sha256=found)


def source_needed(builder: Mapping[str, Any]) -> str | None:
    """Return what ``source`` must be given to load a package, as an example; None where its copy suffices, or no source is needed."""
    if "name" in builder or (is_file(builder["source"]) and not builder["source_imports"]):
        return None
    return _example(builder)


def _own_source(builder: Mapping[str, Any], directory: Path) -> str:
    """Return the package's copy, or the installed module that it is a copy of."""
    if not is_file(builder["source"]):
        return str(builder["source"])
    if builder["source_imports"]:
        raise CheckpointError(
            f"{directory}: {COPY} imports {', '.join(builder['source_imports'])} from beside it, which the package does not hold: "
            f"pass source={_example(builder)!r}, a copy that has them beside it"
        )
    if beside := Source.find(str(directory / COPY)).beside:
        # Whatever hash architecture.json has: who trusts the copy has read that one file.
        raise CheckpointError(f"{directory}: {COPY} would import {', '.join(beside)} from beside it, which is no part of the package")
    return str(directory / COPY)


def _example(builder: Mapping[str, Any]) -> str:
    return f"path/to/{builder['source']}" if is_file(builder["source"]) else str(builder["source"])
