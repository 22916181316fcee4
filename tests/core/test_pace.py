"""Time: back-offs grow, spread and start again; wakers end a wait, also when they are closed or full."""

from __future__ import annotations

import threading
import time

from edge_segnet.core.pace import BackOff, Deadline, SayOnce, Waker


def test_a_back_off_doubles_up_to_its_longest_and_is_spread() -> None:
    tries = BackOff(0.2, 2.0, (0.5, 1.0))
    waits = [tries.failed() for _ in range(2000)]
    for wait, middle in zip(waits[:5], (0.2, 0.4, 0.8, 1.6, 2.0), strict=True):
        assert 0.5 * middle <= wait <= middle
    assert all(1.0 <= wait <= 2.0 for wait in waits[4:]) and len({round(wait, 3) for wait in waits[4:]}) > 100
    assert tries.failures == 2000
    tries.worked()
    assert tries.failures == 0 and tries.failed() <= 0.2


def test_a_deadline_counts_down_to_zero() -> None:
    deadline = Deadline(0.05)
    assert 0.0 < deadline.left_s <= 0.05 and not deadline.over
    time.sleep(0.06)
    assert deadline.left_s == 0.0 and deadline.over


def test_the_same_is_said_once() -> None:
    say = SayOnce(0.05)
    assert [say("a"), say("b"), say("a")] == [True, True, False]
    time.sleep(0.06)
    assert say("a")


def test_a_waker_ends_a_wait_and_is_silent_again() -> None:
    waker = Waker()
    threading.Timer(0.05, waker.ring).start()
    began = time.monotonic()
    waker.wait(5.0)
    assert time.monotonic() - began < 4.0
    began = time.monotonic()
    waker.wait(0.05)
    assert time.monotonic() - began >= 0.04
    waker.close()


def test_a_waker_may_be_rung_by_the_thousand_and_after_its_end() -> None:
    waker = Waker()
    for _ in range(100_000):
        waker.ring()
    waker.wait(0.0)
    began = time.monotonic()
    waker.wait(0.02)
    assert time.monotonic() - began >= 0.015
    waker.close()
    waker.ring()
