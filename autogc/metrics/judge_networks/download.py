"""Weights that their authors publish: found where they were kept before, or downloaded once, and never used without their hash.

Nothing is downloaded while networks are built or checked: who is about to use one asks for it (``Networks.fetch``).
"""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from autogc.errors import CheckpointError, ConfigError
from autogc.files import replacing, sha256_file
from autogc.progress import Progress

# Where downloads are kept, and where PyTorch's own hub keeps the same files.
CACHE = Path("~/.cache/autogc/weights")
ELSEWHERE = (Path("~/.cache/torch/hub/checkpoints"),)
TIMEOUT_S = 30
BLOCK = 1 << 20
MEGABYTE = 1_000_000
# PyTorch's convention: a file's name ends in the first digits of its SHA-256.
NAMED_HASH = re.compile(r"-([0-9a-f]{8,64})\.[A-Za-z0-9]+$")


@dataclass(frozen=True)
class Published:
    """A file of weights: where it is published, its SHA-256 and its size in bytes. ``key`` is how an experiment names a copy of it."""

    name: str
    url: str
    sha256: str
    size: int
    key: str

    def __str__(self) -> str:
        return f"{self.name} ({self.size / MEGABYTE:.1f} MB) from {self.url}"

    @property
    def path(self) -> Path:
        """Where a download is kept."""
        return CACHE.expanduser() / self.name

    def find(self) -> Path | None:
        """Return a copy that is on this machine already, if its hash is right."""
        places = [self.path, *(place.expanduser() / self.name for place in ELSEWHERE)]
        return next((path for path in places if path.is_file() and sha256_file(path) == self.sha256), None)

    def fetch(self, progress: Progress) -> Path:
        """Return a copy on this machine, downloaded if there is none: written beside, checked, then renamed.

        Raises ``CheckpointError``, saying what to put where, when it cannot be downloaded or is not what was published.
        """
        found = self.find()
        if found is not None:
            return found
        try:
            with replacing(self.path) as beside:
                found_hash = self._download(beside, progress)
                if found_hash != self.sha256:
                    raise CheckpointError(
                        f"what {self.url} gave is not {self.name}: its SHA-256 is {found_hash}, that of the published file "
                        f"{self.sha256}; nothing was kept. {self._remedy}"
                    )
        except (OSError, http.client.HTTPException) as error:
            # A server's refusal says its number; what stands between here and there is in a URLError's reason.
            reason = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", None) or error
            raise CheckpointError(f"{self} cannot be downloaded to {self.path} ({reason}). {self._remedy}") from error
        return self.path

    @property
    def _remedy(self) -> str:
        return f"Download it elsewhere and put it there, or set {self.key} to where it lies"

    def _download(self, path: Path, progress: Progress) -> str:
        """Write what the address gives to ``path`` and return its SHA-256."""
        request = urllib.request.Request(self.url, headers={"User-Agent": "autogc"})
        digest, done = hashlib.sha256(), 0
        progress.start(f"downloading {self.name} (MB)", total=-(-self.size // MEGABYTE))
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer, path.open("wb") as out:
            while block := answer.read(BLOCK):
                digest.update(block)
                out.write(block)
                done += len(block)
                # More than was published is not what was published: no need to fill the disk with it.
                if done > self.size:
                    break
                progress.update(-(-done // MEGABYTE))
        return digest.hexdigest()


@runtime_checkable
class Downloadable(Protocol):
    """A judging network whose weights are published: ``missing`` is their file, as long as it is not on this machine."""

    @property
    def missing(self) -> Published | None: ...

    def fill(self, path: Path) -> None:
        """Load the weights; raises ``CheckpointError`` for a file that does not fit."""


def given(weights: str, *, network: str, advice: str) -> Path:
    """Return the path of a weights file that an experiment names, for the judging network called ``network``.

    Raises ``ConfigError``, with ``advice``, where there is none, ``CheckpointError`` where its name ends in digits of another hash.
    """
    path = Path(weights).expanduser()
    if not path.is_file():
        raise ConfigError(f"{network}: {path} does not exist; {advice}")
    check_named_hash(path)
    return path


def check_named_hash(path: Path) -> None:
    """Raise ``CheckpointError`` where a file's name ends in the first digits of a SHA-256 that is not its own (a damaged download, say)."""
    named = NAMED_HASH.search(path.name)
    if named is None:
        return
    found = sha256_file(path)
    if not found.startswith(named[1]):
        raise CheckpointError(
            f"{path} is damaged, or is another file: its name says that its SHA-256 begins with {named[1]}, and it begins with "
            f"{found[: len(named[1])]}; download it again, or give it another name if that is what you want to use"
        )
