"""Which file belongs to which: images of several folders found by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autogc.data.arguments import Problems
from autogc.data.listing import few, pictures_in


@dataclass(frozen=True)
class Row:
    """One sample's files, by what they are: input, target, perhaps instances."""

    stem: str
    files: Mapping[str, Path]


def find_rows(folders: Mapping[str, Path], *, split: str, problems: Problems) -> list[Row]:
    """Return the samples of several folders, by the files' names without extension.

    A folder that is missing or empty, a name that is there twice and a file without partners are noted in ``problems``.
    """
    found = {kind: _by_stem(folder, split=split, problems=problems) for kind, folder in folders.items()}
    if not all(found.values()):
        return []
    common = set.intersection(*(set(by_stem) for by_stem in found.values()))
    lonely = {folders[kind]: sorted(set(by_stem) - common) for kind, by_stem in found.items()}
    if any(lonely.values()):
        said = "; ".join(f"{len(stems)} only in {folder}: {few(stems)}" for folder, stems in lonely.items() if stems)
        problems.missing(f"{split}: files are paired by name without extension, and some have no partner: {said}")
    return [Row(stem, {kind: by_stem[stem] for kind, by_stem in found.items()}) for stem in sorted(common)]


def files_of(rows: Sequence[Row], kind: str) -> list[Path]:
    """Return the files of one kind."""
    return [row.files[kind] for row in rows]


def _by_stem(folder: Path, *, split: str, problems: Problems) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in pictures_in(folder, problems=problems, what=split):
        if path.stem in found:
            problems.missing(f"{split}: {found[path.stem]} and {path} have the same name without extension; keep one")
        found[path.stem] = path
    return found
