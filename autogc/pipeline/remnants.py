"""What a killed process left half-written."""

from __future__ import annotations

import shutil
from pathlib import Path


def settle(directory: Path) -> None:
    """Remove half-written files and directories under ``directory``, and put back what was being replaced when its replacement never came.

    ``autogc.files`` writes beside (``.NAME.xxx.part``) and moves an old directory aside (``.NAME.xxx.old``) for the moment in which it is
    replaced. Only for who holds the directory's lock: to anybody else these may be somebody's work under way.
    """
    for aside in directory.rglob(".*.old"):
        for old in aside.iterdir():
            if not (aside.parent / old.name).exists():
                old.replace(aside.parent / old.name)
        shutil.rmtree(aside)
    for part in directory.rglob(".*.part"):
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink()
