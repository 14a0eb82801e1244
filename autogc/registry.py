"""Named builders: how a generator, dataset, loss or dimension is found by the name in an experiment file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from autogc.errors import ConfigError, nearest

T = TypeVar("T")


class Registry(Generic[T]):
    """Builders by name. ``kind`` is the word used in messages, such as ``generator``.

    A builder is a class or a function with keyword arguments; its signature is what an
    experiment file's ``args`` are checked against.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._builders: dict[str, Callable[..., T]] = {}

    def register(self, name: str) -> Callable[[Callable[..., T]], Callable[..., T]]:
        """Return a decorator that registers a builder under ``name``."""

        def decorate(builder: Callable[..., T]) -> Callable[..., T]:
            assert name not in self._builders, f"{self.kind} {name!r} is registered twice"
            self._builders[name] = builder
            return builder

        return decorate

    def __iter__(self) -> Iterator[str]:
        return iter(self._builders)

    def __contains__(self, name: object) -> bool:
        return name in self._builders

    def __getitem__(self, name: str) -> Callable[..., T]:
        if name not in self._builders:
            raise ConfigError(f"no {self.kind} named {name!r}: {nearest(name, self._builders)}")
        return self._builders[name]

    def problems(self, name: str, args: Mapping[str, Any], *, given: tuple[str, ...] = (), offered: tuple[str, ...] = ()) -> list[str]:
        """Return what is wrong with building ``name`` from ``args``; empty when nothing is.

        ``given`` names the parameters that the caller supplies itself; ``offered`` those that it supplies where ``args`` do not.
        """
        if name not in self._builders:
            return [f"no {self.kind} named {name!r}: {nearest(name, self._builders)}"]
        parameters = inspect.signature(self._builders[name]).parameters
        open_names = [key for key in parameters if key not in given]
        found = [f"{self.kind} {name!r} takes no argument {key!r}: {nearest(key, open_names)}" for key in args if key not in open_names]
        for key in open_names:
            if parameters[key].default is inspect.Parameter.empty and key not in args and key not in offered:
                found.append(f"{self.kind} {name!r} needs the argument {key!r}")
        return found

    def complete(self, name: str, args: Mapping[str, Any], *, offered: Mapping[str, Any], given: tuple[str, ...] = ()) -> dict[str, Any]:
        """Return ``args`` and, of what is ``offered``, what the builder has a parameter for and ``args`` do not say.

        Raises ConfigError where ``name`` can't be built from that and the parameters named by ``given``.
        """
        found = self.problems(name, args, given=given, offered=tuple(offered))
        if found:
            raise ConfigError(found)
        parameters = inspect.signature(self._builders[name]).parameters
        return {**args, **{key: value for key, value in offered.items() if key in parameters and key not in args}}

    def build(self, name: str, args: Mapping[str, Any] | None = None, *, offered: Mapping[str, Any] | None = None, **given: Any) -> T:
        """Build ``name`` with the file's ``args`` and the caller's own keyword arguments.

        What is ``offered`` goes to builders that have such a parameter, where ``args`` do not say it.
        """
        complete = self.complete(name, args or {}, offered=offered or {}, given=tuple(given))
        return self._builders[name](**complete, **given)
