"""What a packed set says of itself, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from autogc.data.dataset import Dataset, Split
from autogc.data.inputs import AskedInput, DomainInput, InputKind, LabelInput, NoiseInput, PictureInput
from autogc.errors import DataError

MANIFEST = "manifest.json"
FORMAT = "autogc.dataset"
# Raise this when older versions of autogc could not read what is written.
VERSION = 1
INPUTS: dict[str, type[Any]] = {
    "picture": PictureInput,
    "labels": LabelInput,
    "noise": NoiseInput,
    "domains": DomainInput,
    "asked": AskedInput,
}
# The parts of a ``Dataset`` that are not its splits.
FACTS = ("kind", "description", "fingerprint", "class_names", "domain_names", "exclusive_domains", "ignore_index")


@dataclass(frozen=True)
class Column:
    """The pictures of one field of ``Samples``: their common shape, or None where they differ, and how many bytes they are."""

    field: str
    shape: tuple[int, ...] | None
    nbytes: int


@dataclass(frozen=True)
class Shard:
    """One file, relative to the set's directory."""

    file: str
    rows: int
    sha256: str


@dataclass(frozen=True)
class Table:
    """Rows in shards: each but the last has as many, and each group of rows within a shard but the last too."""

    rows: int
    rows_per_group: int
    columns: tuple[Column, ...]
    domains: int
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class PackedSplit:
    """A split: how its inputs are made, and its tables, ``samples`` and perhaps ``pictures``."""

    name: str
    input: InputKind
    paired: bool
    scale: int
    crop: tuple[int, int] | None
    mirror: bool
    references: tuple[str, ...]
    tables: dict[str, Table]


@dataclass(frozen=True)
class Manifest:
    """A packed dataset. ``facts`` are those of the ``Dataset`` that was packed, its shapes with them; its fingerprint too."""

    facts: dict[str, Any]
    splits: tuple[PackedSplit, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON-ready data."""
        splits = []
        for split in self.splits:
            kind = next(name for name, made in INPUTS.items() if isinstance(split.input, made))
            splits.append(asdict(split) | {"input": {"kind": kind, "args": asdict(split.input)}})  # type: ignore[call-overload]
        return {"format": FORMAT, "version": VERSION, "dataset": self.facts, "splits": splits}

    @classmethod
    def from_json(cls, tree: Any, *, where: str) -> Manifest:
        """Read ``to_json``'s data; raises ``DataError`` for what is no manifest, or one of a newer version."""
        if not isinstance(tree, dict) or tree.get("format") != FORMAT:
            raise DataError(f"{where} is no manifest of a packed dataset: `autogc data pack` writes one")
        if tree["version"] != VERSION:
            raise DataError(f"{where} has version {tree['version']}, this autogc reads version {VERSION}: pack the set again")
        try:
            return cls(facts=dict(tree["dataset"]), splits=tuple(_split(one) for one in tree["splits"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"{where} is damaged ({type(error).__name__}: {error}): pack the set again") from error


def facts_of(data: Dataset) -> dict[str, Any]:
    """Return what a manifest says of a dataset."""
    found = {name: getattr(data, name) for name in FACTS}
    return found | {"input_shape": list(data.input_shape), "target_shape": list(data.target_shape)}


def splits_of(data: Dataset) -> list[Split]:
    """Return a dataset's three splits, and those that only serve as their references."""
    found = list(data.splits)
    for split in data.splits:
        found += [one for one in split.references if not any(one is other for other in found)]
    return found


def _split(tree: dict[str, Any]) -> PackedSplit:
    given = tree["input"]
    return PackedSplit(
        name=tree["name"],
        input=INPUTS[given["kind"]](**given["args"]),
        paired=bool(tree["paired"]),
        scale=int(tree["scale"]),
        crop=None if tree["crop"] is None else (int(tree["crop"][0]), int(tree["crop"][1])),
        mirror=bool(tree["mirror"]),
        references=tuple(tree["references"]),
        tables={name: _table(one) for name, one in tree["tables"].items()},
    )


def _table(tree: dict[str, Any]) -> Table:
    columns = [Column(one["field"], None if one["shape"] is None else tuple(one["shape"]), int(one["nbytes"])) for one in tree["columns"]]
    shards = [Shard(one["file"], int(one["rows"]), one["sha256"]) for one in tree["shards"]]
    return Table(int(tree["rows"]), int(tree["rows_per_group"]), tuple(columns), int(tree["domains"]), tuple(shards))
