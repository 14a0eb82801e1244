"""What keys an experiment file may have, asked of the pydantic schema itself."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from autogc.config.experiment import Experiment
from autogc.errors import nearest


def problems_of(error: ValidationError) -> list[str]:
    """Return every problem that pydantic found, each with its dotted key and, for an unknown key, the nearest valid names."""
    found: list[str] = []
    for detail in error.errors():
        path = tuple(detail["loc"])
        key = ".".join(str(part) for part in path)
        if detail["type"] == "extra_forbidden":
            found.append(f"{key}: unknown key; {nearest(str(path[-1]), names_at(path[:-1]))}")
        elif detail["type"] == "missing":
            found.append(f"{key}: is required")
        elif detail["type"] == "value_error":
            reasons = str(detail["msg"]).removeprefix("Value error, ").split("; ")
            found += [f"{key}: {reason}" for reason in reasons]
        else:
            message = str(detail["msg"])
            found.append(f"{key}: {message[:1].lower()}{message[1:]}, got {detail['input']!r}")
    return found


def names_at(path: Sequence[str | int]) -> tuple[str, ...]:
    """Return the valid keys of the section at ``path``; empty where any key is allowed."""
    section = annotation_at(path)
    return tuple(section.model_fields) if _is_section(section) else ()


def annotation_at(path: Sequence[str | int]) -> Any:
    """Return the type that the schema gives to ``path``; ``Any`` where it says nothing."""
    annotation: Any = Experiment
    for part in path:
        annotation = _plain(annotation)
        if _is_section(annotation):
            field = annotation.model_fields.get(str(part))
            annotation = field.annotation if field else Any
        elif get_origin(annotation) is dict:
            annotation = get_args(annotation)[1]
        else:
            annotation = Any
    return _plain(annotation)


def split_key(key: str) -> tuple[str, ...]:
    """Split a dotted key. Names chosen by the user may hold dots themselves, as layers' names do.

    Under a mapping of plain values (``search.constraints``, a dimension's ``choices``) everything that is left is one name.
    """
    path: tuple[str, ...] = ()
    rest = key
    while rest:
        here = annotation_at(path)
        if get_origin(here) is dict and not _goes_deeper(get_args(here)[1]):
            return (*path, rest)
        head, _, rest = rest.partition(".")
        path = (*path, head)
    return path


def _goes_deeper(annotation: Any) -> bool:
    annotation = _plain(annotation)
    return annotation is Any or _is_section(annotation) or get_origin(annotation) is dict


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _plain(annotation: Any) -> Any:
    """Take off ``Annotated`` and ``| None``."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        some = [option for option in get_args(annotation) if option is not type(None)]
        return _plain(some[0]) if len(some) == 1 else Any
    return annotation


def flatten(tree: Mapping[str, Any], *, under: str = "") -> dict[str, Any]:
    """Return the leaves of a tree of mappings by dotted key. An empty mapping has none."""
    leaves: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{under}{name}"
        if isinstance(value, Mapping):
            leaves |= flatten(value, under=f"{key}.")
        else:
            leaves[key] = value
    return leaves
