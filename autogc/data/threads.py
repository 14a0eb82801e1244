"""Work on many files in threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from autogc.errors import DataError

THREADS = min(8, os.cpu_count() or 1)

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], *, tell: Callable[[int], None] | None = None) -> list[Result]:
    """Return the results in order; the first error stops what has not begun. Decoding and hashing release the interpreter's lock."""
    results: list[Result] = []
    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for result in pool.map(work, items):
                results.append(result)
                if tell is not None:
                    tell(len(results))
        except DataError:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results
