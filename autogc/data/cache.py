"""What was decoded lately, for datasets that do not fit in memory: one bounded store for the whole process."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Value = TypeVar("Value")

CACHE_LIMIT = 2 << 30


class Cache:
    """Keeps values by key, up to ``limit`` bytes in all; those that were asked for longest ago go first. Threads may share it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0
        self._owners = itertools.count()

    def owner(self) -> int:
        """Return a number that nobody else begins their keys with."""
        return next(self._owners)

    def get(self, key: Hashable, make: Callable[[], tuple[Value, int]]) -> Value:
        """Return the value, or what ``make`` returns for it, with its bytes."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
        # Not under the lock: others decode meanwhile.
        value, nbytes = make()
        with self._lock:
            if key not in self._values:
                self._values[key] = value, nbytes
                self._bytes += nbytes
            while self._bytes > self.limit:
                self._bytes -= self._values.popitem(last=False)[1][1]
        return value


CACHE = Cache(CACHE_LIMIT)
