"""The source of a user's generator: where it is, what it imports from beside it, and a hash of all that."""

from __future__ import annotations

import ast
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autogc.config.generator import is_file, split_module
from autogc.errors import ConfigError, nearest
from autogc.files import sha256_file, sha256_json

Dotted = tuple[str, ...]
# What a file imports under these names is not what lies beside it, whatever lies there.
ELSEWHERE = frozenset(sys.stdlib_module_names) | {"autogc"}


@dataclass(frozen=True)
class Source:
    """A file and, in ``beside``, the files under the same root that it imports, and that those import: paths relative to ``root``."""

    path: Path
    root: Path
    beside: tuple[str, ...]

    @classmethod
    def find(cls, source: str) -> Source:
        """Find the source of a class: a file's path, or a dotted module that is installed here.

        Nothing is run, except that a dotted module's parent packages are imported. Raises ConfigError where there is none.
        """
        if is_file(source):
            path = Path(source)
            if not path.is_file():
                raise ConfigError(f"no file {source}; {_near(path, [path.parent])}")
            return cls(path, path.parent, _beside(path.parent, path, package=(), only=None))
        path = _installed(source)
        names = tuple(source.split("."))
        package = names if path.name == "__init__.py" else names[:-1]
        root = path.parents[len(package)]
        # What an installer put there is not edited, and may be thousands of files; a package under development is.
        installed = any(path.is_relative_to(sysconfig.get_path(kind)) for kind in ("purelib", "platlib", "stdlib"))
        return cls(path, root, () if installed else _beside(root, path, package=package, only=names[0]))

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file where it stands alone, otherwise of the names and hashes of all files."""
        if not self.beside:
            return sha256_file(self.path)
        return sha256_json({name: sha256_file(self.root / name) for name in (self.path.relative_to(self.root).as_posix(), *self.beside)})


def locate(generator: Mapping[str, Any], *, base: Path) -> dict[str, Any]:
    """Return an experiment's ``generator`` with the absolute path of its file, and the hash of its source where it says none yet.

    Paths are looked for in ``base`` and then in the current directory. A source whose hash is recorded may be absent: whoever builds it
    finds out. Raises ConfigError where there is no such source.
    """
    split = split_module(str(generator.get("module")))
    if split is None:
        return dict(generator)
    source, name = split
    recorded = generator.get("source_sha256")
    if is_file(source):
        tried = [Path(os.path.abspath(directory / source)) for directory in (base, Path.cwd())]
        there = [path for path in tried if path.is_file()]
        if not there and recorded is None:
            looked = " or ".join(dict.fromkeys(str(path) for path in tried))
            raise ConfigError(f"no file {looked}; {_near(Path(source), [path.parent for path in tried])}")
        source = str((there or tried)[0])
    return {**generator, "module": f"{source}:{name}", "source_sha256": recorded or Source.find(source).sha256}


def _near(path: Path, directories: list[Path]) -> str:
    found = {file.name for directory in directories if directory.is_dir() for file in directory.glob("*.py")}
    return nearest(path.name, found) if found else f"there is no Python file in {directories[0]}"


def _installed(module: str) -> Path:
    try:
        spec = importlib.util.find_spec(module)
    except Exception as error:  # a parent package is imported, and may raise anything
        raise ConfigError(f"the module {module!r} can't be found: {type(error).__name__}: {error}") from None
    if spec is None:
        raise ConfigError(f"no module {module!r} is installed here; a file is given by its path, path/to/file.py:ClassName")
    if spec.origin is None or not Path(spec.origin).is_file():
        raise ConfigError(f"the module {module!r} has no source file")
    return Path(spec.origin)


def _beside(root: Path, path: Path, *, package: Dotted, only: str | None) -> tuple[str, ...]:
    """Return the files under ``root`` that ``path`` imports, directly or not, as relative paths; of the package ``only`` if it is given."""
    found: set[Path] = set()
    waiting = [(path, package)]
    while waiting:
        file, inside = waiting.pop()
        for names in _imported(file, inside):
            if names[0] in ELSEWHERE if only is None else names[0] != only:
                continue
            for imported, home in _files(root, names):
                if imported not in found and imported != path:
                    found.add(imported)
                    waiting.append((imported, home))
    return tuple(sorted(file.relative_to(root).as_posix() for file in found))


def _imported(path: Path, package: Dotted) -> Iterator[Dotted]:
    """Yield the dotted names that a file imports. None of a file that is not Python: building the class says so."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(alias.name.split(".")) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level <= len(package):
            parent = package[: len(package) - node.level + 1] if node.level else ()
            home = parent + (tuple(node.module.split(".")) if node.module else ())
            yield from ((*home, alias.name) for alias in node.names)


def _files(root: Path, names: Dotted) -> Iterator[tuple[Path, Dotted]]:
    """Yield the files that importing a dotted name reads, each with the package it is in. Its last part may be no module."""
    for length in range(1, len(names) + 1):
        place = root.joinpath(*names[:length])
        for path, package in ((place / "__init__.py", names[:length]), (place.with_suffix(".py"), names[: length - 1])):
            if path.is_file():
                yield path, package
