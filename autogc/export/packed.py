"""The file that ships: every tensor in its compressed form, one after another, as one uint8 tensor in a safetensors file.

Weights of layers are packed by their compression values; all other tensors stand as they are, little-endian. The header is
padded with spaces to 128 bytes, so the file's size is 8 + 128 + the payload's, whatever the payload: a closed form (``cost.formula``).
"""

from __future__ import annotations

import json
import math
import struct
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from autogc.compression import Value, pack, packed_bytes, unpack
from autogc.errors import CheckpointError
from autogc.export.tensors import named_tensors

HEADER_BYTES = 128


@dataclass(frozen=True)
class Entry:
    """One tensor in the payload. ``values`` are its layer's weight dimensions, empty for tensors stored as they are."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    values: Mapping[str, Value]

    @property
    def nbytes(self) -> int:
        """Bytes in the payload."""
        if self.dtype == "float32" and self.shape:
            return int(packed_bytes(math.prod(self.shape), self.shape[0], self.values))
        return math.prod(self.shape) * getattr(torch, self.dtype).itemsize

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON-ready data."""
        return {"name": self.name, "shape": list(self.shape), "dtype": self.dtype, "values": dict(self.values)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Entry:
        """Read what ``to_json`` gave."""
        return cls(data["name"], tuple(data["shape"]), data["dtype"], dict(data["values"]))


def entries_of(tensors: Mapping[str, Tensor], values: Mapping[str, Mapping[str, Value]]) -> list[Entry]:
    """Return the payload's layout: the tensors in their order, with the compression values of those in ``values``."""
    return [
        Entry(name, tuple(tensor.shape), str(tensor.dtype).removeprefix("torch."), dict(values.get(name, {})))
        for name, tensor in tensors.items()
    ]


def write_packed(path: Path, tensors: Mapping[str, Tensor], entries: Sequence[Entry]) -> int:
    """Write the file and return its size in bytes."""
    payload = b"".join(_stored(tensors[entry.name], entry) for entry in entries)
    header = json.dumps({"packed": {"dtype": "U8", "shape": [len(payload)], "data_offsets": [0, len(payload)]}}, separators=(",", ":"))
    assert len(header) <= HEADER_BYTES
    return path.write_bytes(struct.pack("<Q", HEADER_BYTES) + header.encode().ljust(HEADER_BYTES) + payload)


def packed_file_size(module: nn.Module, values: Mapping[str, Mapping[str, Value]]) -> int:
    """Return the bytes of the file that an extracted module ships as: it is written, measured and removed. ``values`` by tensor name."""
    tensors = named_tensors(module)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "packed.safetensors"
        write_packed(path, tensors, entries_of(tensors, values))
        return path.stat().st_size


def read_packed(path: Path, entries: Sequence[Entry]) -> dict[str, Tensor]:
    """Return the tensors, bit for bit those that were written (on the CPU).

    Raises CheckpointError when the file is not such a file, or not as long as ``entries`` make it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        data = load_file(path)["packed"].numpy().tobytes()
    except (SafetensorError, KeyError, OSError) as error:
        raise CheckpointError(f"{path}: not a packed file: {error}") from None
    expected = sum(entry.nbytes for entry in entries)
    if len(data) != expected:
        raise CheckpointError(f"{path}: holds {len(data)} bytes of weights, the architecture says {expected}")
    tensors, start = {}, 0
    for entry in entries:
        tensors[entry.name] = _restored(data[start : start + entry.nbytes], entry)
        start += entry.nbytes
    return tensors


def _stored(tensor: Tensor, entry: Entry) -> bytes:
    if entry.values:
        return pack(tensor, entry.values)
    array = tensor.detach().cpu().contiguous().numpy()
    return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()


def _restored(data: bytes, entry: Entry) -> Tensor:
    if entry.values:
        return unpack(data, entry.shape, entry.values)
    dtype = torch.empty(0, dtype=getattr(torch, entry.dtype)).numpy().dtype
    return torch.from_numpy(np.frombuffer(data, dtype=dtype.newbyteorder("<")).astype(dtype)).reshape(entry.shape)
