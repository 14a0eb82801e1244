"""A queue and one thread that delivers what is put in, however long the other side is away."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

Message = TypeVar("Message")

FIRST_DELAY, LONGEST_DELAY = 0.5, 30.0  # seconds between attempts, doubled after each
ATTEMPTS = 6  # at a message that fails while the other side is there


class AwayError(ConnectionError):
    """The other side cannot be reached: nothing is wrong with the message, and it is worth waiting."""


class RefusedError(Exception):
    """The other side answered that it will never take this message."""


class Outbox(Generic[Message]):
    """Delivers messages in order, at least once, from a daemon thread; ``put`` never blocks and never raises.

    ``deliver`` sends one message, and must stand being given the same one twice. When it raises AwayError the message is tried again
    until ``close`` gives up; when it raises RefusedError it is dropped; after anything else it is dropped at the sixth attempt.
    Dropped messages, and the first failure of each spell, are told in ``problems``. ``combine`` may return one message that stands
    for a waiting message and a newer one (None: they stay apart).
    """

    def __init__(
        self, deliver: Callable[[Message], None], *, combine: Callable[[Message, Message], Message | None], first_delay: float = FIRST_DELAY
    ) -> None:
        self.problems: list[str] = []
        self._deliver = deliver
        self._combine = combine
        self._first_delay = first_delay
        self._waiting: deque[Message] = deque()
        self._current: Message | None = None
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._work, name="autogc-tracking", daemon=True)
        self._thread.start()

    def put(self, message: Message) -> None:
        """Add a message, combined with one that waits where that is possible."""
        with self._changed:
            for index in reversed(range(len(self._waiting))):
                both = self._combine(self._waiting[index], message)
                if both is not None:
                    del self._waiting[index]
                    message = both
                    break
            self._waiting.append(message)
            self._changed.notify()

    def close(self, *, timeout: float) -> list[Message]:
        """Deliver what waits, for at most ``timeout`` seconds, and return what could not be delivered."""
        with self._changed:
            self._deadline = monotonic() + timeout
            self._changed.notify()
        self._thread.join(timeout)
        with self._changed:
            unsent = [*([self._current] if self._current is not None else []), *self._waiting]
            self._waiting.clear()
        return unsent

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    if self._deadline is not None:
                        return
                    self._changed.wait()
                self._current = self._waiting.popleft()
            if not self._try(self._current):
                return
            with self._changed:
                self._current = None

    def _try(self, message: Message) -> bool:
        """Deliver or drop a message; False when there was no time left for either."""
        delay, attempt, told = self._first_delay, 0, False
        while True:
            try:
                self._deliver(message)
            except RefusedError as error:
                self.problems.append(f"not tracked: {error}")
            except AwayError as error:
                if not told:
                    self.problems.append(str(error))
                told = True
                if self._rest(delay):
                    delay = min(2 * delay, LONGEST_DELAY)
                    continue
                return False
            except Exception as error:  # whatever a tracking store raises: it must not end a search, and problems tells it
                attempt += 1
                if attempt < ATTEMPTS:
                    if self._rest(delay):
                        delay = min(2 * delay, LONGEST_DELAY)
                        continue
                    return False
                self.problems.append(f"not tracked after {ATTEMPTS} attempts: {type(error).__name__}: {error}")
            return True

    def _rest(self, seconds: float) -> bool:
        """Wait before the next attempt, less when closing is near; False when the time is up."""
        until = monotonic() + seconds
        with self._changed:
            while True:
                now = monotonic()
                if self._deadline is not None and now >= self._deadline:
                    return False
                end = until if self._deadline is None else min(until, self._deadline)
                if now >= end:
                    return True
                was_closing = self._deadline is not None
                self._changed.wait(end - now)
                if self._deadline is not None and not was_closing:
                    return True
