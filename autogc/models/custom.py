"""A user's own generator: a class in a file, or in an installed package."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import CodeType, ModuleType

import torch
from torch import nn

from autogc.config.generator import GeneratorConfig, is_file
from autogc.config.source import Source
from autogc.errors import ConfigError, nearest

PREFIX = "autogc_user_"
# Modules that users' files had imported from beside them, and the files that they may import from there.
_beside: set[str] = set()
_files: set[str] = set()


def build_class(generator: GeneratorConfig) -> nn.Module:
    """Build the user's class from the experiment's ``args``, and nothing else.

    Raises ConfigError as ``load_class`` does, and with what the constructor itself has against the arguments.
    """
    kind = load_class(generator)
    try:
        return kind(**generator.args)
    except Exception as error:  # a user's constructor may raise anything
        takes = f"; it is {kind.__name__}{inspect.signature(kind)}" if isinstance(error, TypeError) else ""
        raise ConfigError(f"{generator.label} can't be built from args {generator.args}: {_said(error)}{takes}") from error


def problems_of_class(generator: GeneratorConfig) -> list[str]:
    """Return what is wrong with the user's class and its ``args``, as far as can be told without building it."""
    try:
        kind = load_class(generator)
        inspect.signature(kind).bind(**generator.args)
    except ConfigError as error:
        return error.problems
    except TypeError as error:
        return [f"{generator.label} can't be built from args {generator.args}: {error}; it is {kind.__name__}{inspect.signature(kind)}"]
    return []


def load_class(generator: GeneratorConfig, *, alone: bool = False) -> type[nn.Module]:
    """Import the user's class. A file is imported under a name made from its content's hash, so that an edited one is another module.

    What lies beside a file can be imported by it, as by a script; it may be imported late, too. Not where it is ``alone``: a copy in a
    package, beside which nothing was vouched for. Raises ConfigError: no such file, another content than the experiment was recorded with,
    an error in the file, no such class in it, a class that is no ``nn.Module``.
    """
    assert generator.source is not None and generator.class_name is not None
    source = Source.find(generator.source)
    sha256 = source.sha256
    if generator.source_sha256 not in (None, sha256):
        raise ConfigError(
            f"{source.path} is not what it was: the SHA-256 of its content{' (and of the files that it imports)' * bool(source.beside)} is "
            f"{sha256[:16]}..., this experiment was recorded with {str(generator.source_sha256)[:16]}...; put it back, or start another run"
        )
    with torch.random.fork_rng(devices=[]):  # what importing draws must not depend on whether it was imported before
        module = _from_file(source, sha256, alone=alone) if is_file(generator.source) else _installed(generator.source, source.path)
    found = getattr(module, generator.class_name, None)
    if found is None:
        classes = [name for name, value in vars(module).items() if isinstance(value, type) and issubclass(value, nn.Module)]
        hint = nearest(generator.class_name, classes) if classes else "it has no torch.nn.Module at all"
        raise ConfigError(f"{source.path} has no class {generator.class_name!r}; {hint}")
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ConfigError(f"{generator.class_name!r} in {source.path} is no class derived from torch.nn.Module, but {found!r}")
    return found


def imported_modules() -> tuple[ModuleType, ...]:
    """Return users' modules that this process imported from files: those that another process can't import by their names."""
    return tuple(
        module
        for name, module in list(sys.modules.items())
        if name.startswith(PREFIX) or name in _beside or getattr(module, "__file__", None) in _files
    )


class _Loader(SourceFileLoader):
    """Compiles what the file holds now: Python's own cache goes by time and size, and misses a quick edit."""

    def get_code(self, fullname: str) -> CodeType | None:
        return self.source_to_code(self.get_data(self.path), self.path)


def _from_file(source: Source, sha256: str, *, alone: bool) -> ModuleType:
    name = f"{PREFIX}{source.path.stem}_{sha256[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_loader(name, _Loader(name, str(source.path)))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        with nullcontext() if alone else _importable(source), _told(source.path):
            spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _installed(module: str, path: Path) -> ModuleType:
    with _told(path):
        return importlib.import_module(module)


@contextmanager
def _importable(source: Source) -> Iterator[None]:
    """Make the files beside a file importable: first of all while it is imported, and last of all from then on (imports in functions).

    Those that this function imported before are imported anew: they may have been edited since, or be another directory's ``layers.py``.
    Who has imported them keeps what it has.
    """
    root = source.root.resolve()
    _files.update(str(root / name) for name in source.beside)
    own = {Path(name).parts[0].removesuffix(".py") for name in source.beside}
    for name in [name for name in _beside if name.partition(".")[0] in own]:
        sys.modules.pop(name, None)
        _beside.remove(name)
    before = set(sys.modules)
    importlib.invalidate_caches()
    sys.path.insert(0, str(root))
    try:
        yield
    finally:
        sys.path.remove(str(root))
        if str(root) not in sys.path:
            sys.path.append(str(root))
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and not name.startswith(PREFIX) and root in Path(file).parents:
                _beside.add(name)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn whatever a file raises while it is imported into a ConfigError with the line."""
    try:
        yield
    except SyntaxError as error:
        raise ConfigError(f"{error.filename}, line {error.lineno}: {error.msg}: {(error.text or '').strip()}") from error
    except Exception as error:  # a user's file may raise anything
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        where = f"{path}, line {lines[-1]}" if lines else str(path)
        hint = "; it must be installed, or lie beside the file" if isinstance(error, ModuleNotFoundError) else ""
        raise ConfigError(f"{where}: {_said(error)}{hint}") from error


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
