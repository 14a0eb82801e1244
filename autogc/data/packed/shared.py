"""Reading shards once for all the workers of a training: Ray Data reads and decompresses them side by side into Ray's object store.

The workers of one machine map the same memory, so that a set is there once, not once a worker; what does not fit is spilled by Ray. Each
worker then takes its own part of each batch, in the order of ``training_batches``, which needs every sample within reach: so the whole set
is in the store, rather than a stream of it with an order that depends on when blocks arrive.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from autogc.data.packed.manifest import Shard, Table
from autogc.data.packed.place import Place
from autogc.errors import DataError
from autogc.files import sha256_json

if TYPE_CHECKING:
    import pyarrow as pa

NAMESPACE = "autogc"
ATTEMPTS = 5
SECONDS_BETWEEN = 1.0


def training_workers() -> int:
    """Return how many workers Ray trains with, of which this process is one; 1 where it is none, without importing Ray."""
    if "ray.train" not in sys.modules:
        return 1
    import ray.train

    try:
        return ray.train.get_context().get_world_size()
    except RuntimeError:  # Ray is there, but this is no worker of a training.
        return 1


def shared_tables(place: Place, table: Table) -> tuple[list[pa.Table], Any]:
    """Return the table's blocks, in any order, as this machine's workers share them, and what keeps them there."""
    import ray
    from ray.exceptions import RayActorError

    key = sha256_json([str(place), [shard.sha256 for shard in table.shards]])
    for attempt in range(ATTEMPTS):
        # One actor for all workers: the first that asks makes it, and it holds the blocks as long as there is a worker.
        reader: Any = ray.remote(num_cpus=0)(_Reader).options(name=f"shards-{key}", namespace=NAMESPACE, get_if_exists=True).remote()
        try:
            blocks, problem = ray.get(reader.blocks.remote(place, table.shards))
            break
        except RayActorError:  # It was that of a training which ended just now.
            if attempt + 1 == ATTEMPTS:
                raise
            time.sleep(SECONDS_BETWEEN)
    if problem is not None:
        raise DataError(problem)
    return ray.get(blocks), (reader, blocks)


class _Reader:
    """A Ray actor that has the shards read, once."""

    def __init__(self) -> None:
        self._found: tuple[list[Any], str | None] | None = None

    def blocks(self, place: Place, shards: Sequence[Shard]) -> tuple[list[Any], str | None]:
        """Return references to the blocks, or what is wrong with a shard."""
        if self._found is None:
            self._found = self._read(place, shards)
        return self._found

    def _read(self, place: Place, shards: Sequence[Shard]) -> tuple[list[Any], str | None]:
        import ray
        import ray.data
        from ray.exceptions import RayError

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.log_internal_stack_trace_to_stdout = False

        def read(row: pa.Table) -> pa.Table:
            return place.table(shards[row["shard"][0].as_py()])

        # The training's workers hold the CPUs: tasks that asked for one would wait for ever. ray.data.read_parquet lists files by such
        # a task, so the shards, which are known, are given out by their numbers.
        side_by_side = max(1, int(ray.cluster_resources().get("CPU", 1)))
        numbers = ray.data.from_items([{"shard": number} for number in range(len(shards))], override_num_blocks=len(shards))
        try:
            tables = numbers.map_batches(read, batch_size=1, batch_format="pyarrow", num_cpus=0, concurrency=side_by_side).materialize()
        except (DataError, RayError) as error:
            cause = getattr(error, "cause", None) or error.__cause__ or error
            return [], str(cause)
        return tables.to_arrow_refs(), None
