from __future__ import annotations

import threading
import time

from autogc.tracking.outbox import ATTEMPTS, AwayError, Outbox, RefusedError


def apart(waiting, new):
    return None


def test_messages_arrive_in_order():
    got = []
    outbox = Outbox(got.append, combine=apart)
    for number in range(100):
        outbox.put(number)
    assert outbox.close(timeout=5) == []
    assert got == list(range(100)) and outbox.problems == []


def test_waiting_messages_are_combined_and_the_one_under_way_is_not():
    got, under_way, go_on = [], threading.Event(), threading.Event()

    def deliver(message):
        got.append(message)
        under_way.set()
        assert go_on.wait(5)

    outbox = Outbox(deliver, combine=lambda waiting, new: waiting + new if isinstance(waiting, list) and isinstance(new, list) else None)
    outbox.put([0])
    assert under_way.wait(5)
    for message in ([1], "x", [2], [3]):
        outbox.put(message)
    go_on.set()
    assert outbox.close(timeout=5) == []
    assert got == [[0], "x", [1, 2, 3]]


def test_it_waits_for_the_other_side_as_long_as_it_is_away():
    got, attempts = [], []

    def deliver(message):
        attempts.append(message)
        if len(attempts) <= ATTEMPTS + 3:
            raise AwayError("away")
        got.append(message)

    outbox = Outbox(deliver, combine=apart, first_delay=0.001)
    outbox.put("a")
    outbox.put("b")
    assert outbox.close(timeout=10) == []
    assert got == ["a", "b"] and outbox.problems == ["away"]


def test_what_is_refused_or_fails_again_and_again_is_dropped_and_told():
    got = []

    def deliver(message):
        if message == "refused":
            raise RefusedError("no such thing")
        if message == "fails":
            raise KeyError("x")
        got.append(message)

    outbox = Outbox(deliver, combine=apart, first_delay=0.001)
    for message in ("a", "refused", "fails", "b"):
        outbox.put(message)
    assert outbox.close(timeout=10) == []
    assert got == ["a", "b"]
    assert outbox.problems == ["not tracked: no such thing", f"not tracked after {ATTEMPTS} attempts: KeyError: 'x'"]


def test_closing_gives_up_in_time_and_returns_what_is_left():
    def deliver(message):
        raise AwayError("away")

    outbox = Outbox(deliver, combine=apart, first_delay=60)
    outbox.put("a")
    time.sleep(0.05)
    outbox.put("b")
    begin = time.monotonic()
    assert outbox.close(timeout=0.3) == ["a", "b"]
    assert time.monotonic() - begin < 2


def test_closing_gives_up_on_a_delivery_that_hangs():
    release = threading.Event()
    outbox = Outbox(lambda message: release.wait(10), combine=apart)
    outbox.put("a")
    outbox.put("b")
    assert outbox.close(timeout=0.2) == ["a", "b"]
    release.set()
