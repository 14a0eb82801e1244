"""Where a packed set lies: a directory, or the URL of one in a bucket."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autogc.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow.fs import FileSystem

    from autogc.data.packed.manifest import Shard

BLOCK = 1 << 22


@dataclass(frozen=True)
class Place:
    """A directory by its path, with ``~`` and relative to the current directory, or by a URL such as ``s3://bucket/folder``.

    It pickles as that text: whoever gets it opens the filesystem anew, with credentials from its own environment (as pyarrow says).
    """

    root: str

    def __str__(self) -> str:
        return self.root

    def opened(self) -> tuple[FileSystem, str]:
        """Return the filesystem and the directory's path in it; raises ``DataError`` for a URL that it cannot be had from."""
        return _opened(self.root)

    def json(self, name: str) -> Any:
        """Return a JSON file's content."""
        content = self._bytes(name)
        try:
            return json.loads(content)
        except ValueError as error:
            raise DataError(f"{self}/{name} is not JSON ({error})") from error

    def table(self, shard: Shard, columns: list[str] | None = None) -> pa.Table:
        """Return a whole shard, or some of its columns, after its hash was found right."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        content = self._bytes(shard.file)
        if hashlib.sha256(content).hexdigest() != shard.sha256:
            raise self._changed(shard)
        try:
            return pq.read_table(io.BytesIO(content), columns=columns)
        except pa.ArrowException as error:
            raise DataError(f"{self}/{shard.file} is not what was packed ({error}): copy it again") from error

    def column(self, shard: Shard, name: str) -> list[Any]:
        """Return one column's values, reading as little of the file as that takes; its hash is not looked at."""
        return self.parquet(shard).read(columns=[name])[name].to_pylist()

    def parquet(self, shard: Shard, metadata: pq.FileMetaData | None = None) -> pq.ParquetFile:
        """Open a shard, to read parts of it."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        system, path = self.opened()
        try:
            return pq.ParquetFile(system.open_input_file(f"{path}/{shard.file}"), metadata=metadata, pre_buffer=False)
        except (OSError, pa.ArrowException) as error:
            raise DataError(f"{self}/{shard.file} cannot be read ({error}): copy the packed set again") from error

    def check(self, shard: Shard) -> None:
        """Raise ``DataError`` for a shard that is not what was packed."""
        digest = hashlib.sha256()
        system, path = self.opened()
        try:
            with system.open_input_stream(f"{path}/{shard.file}") as stream:
                while block := stream.read(BLOCK):
                    digest.update(block)
        except OSError as error:
            raise self._absent(shard.file, error) from error
        if digest.hexdigest() != shard.sha256:
            raise self._changed(shard)

    def _bytes(self, name: str) -> bytes:
        system, path = self.opened()
        try:
            with system.open_input_stream(f"{path}/{name}") as stream:
                return stream.read()
        except OSError as error:
            raise self._absent(name, error) from error

    def _absent(self, name: str, error: OSError) -> DataError:
        return DataError(f"{self}/{name} cannot be read ({error}): set data.args.root to what `autogc data pack` wrote")

    def _changed(self, shard: Shard) -> DataError:
        return DataError(f"{self}/{shard.file} is not what was packed (its hash differs): copy it again")


# Opening a bucket asks it where it is.
@lru_cache(maxsize=8)
def _opened(root: str) -> tuple[FileSystem, str]:
    import pyarrow as pa
    from pyarrow.fs import FileSystem, LocalFileSystem

    if "://" not in root:
        return LocalFileSystem(), str(Path(root).expanduser().absolute())
    try:
        return FileSystem.from_uri(root.rstrip("/"))
    except (OSError, ValueError, pa.ArrowInvalid) as error:
        raise DataError(f"{root} cannot be opened ({error}): use a directory, or a URL such as s3://bucket/folder") from error
