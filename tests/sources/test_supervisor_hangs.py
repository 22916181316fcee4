"""Sources that hang for ever, and many reconnects: nothing may pile up."""

from __future__ import annotations

import os
import threading
import time

import psutil
import pytest

from edge_segnet.core.errors import SourceLost
from edge_segnet.core.types import Frame
from edge_segnet.sources.live import LiveSource
from tests.support.scripted import Script, camera, frame, state_of, supervised
from tests.support.waiting import wait_until

STALLS = 8
"""Each takes as long as a stall takes to notice."""


def process_size() -> tuple[int, int]:
    """Threads and descriptors of this process."""
    return threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def no_larger_than(before: tuple[int, int]) -> bool:
    return all(now <= then for now, then in zip(process_size(), before, strict=True))


def test_a_read_that_never_returns_is_abandoned_with_nothing_left() -> None:
    opened: list[Hanging] = []

    class Hanging(Script):
        def read(self, timeout_s: float) -> Frame | None:  # noqa: ARG002 - that is what is wrong with it
            self.reads += 1
            if self.reads <= 2:
                return frame(self.reads)
            self.closed.wait()  # whatever the time-out
            raise SourceLost("closed")

    def open_source(_: tuple[int, int]) -> LiveSource:
        opened.append(Hanging(frame))
        return opened[-1]

    before = process_size()
    with supervised(open_source, camera(stall_after_s=0.02, backoff_max_s=0.01)) as (supervisor, changes):

        def often() -> bool:
            supervisor.read(0.02)
            return len(opened) > STALLS

        wait_until(often)
        assert threading.active_count() <= before[0] + 3
        assert {change.state for change in changes} == {"running", "stalled"}
        assert "does not answer" in next(change.message for change in changes if change.state == "stalled")
    wait_until(lambda: no_larger_than(before))
    assert all(source.closed.is_set() for source in opened)


def test_threads_that_nothing_frees_do_not_pile_up() -> None:
    release = threading.Event()
    opened: list[int] = []

    class Deaf(Script):
        def read(self, timeout_s: float) -> Frame | None:  # noqa: ARG002
            self.reads += 1
            if self.reads > 2:
                release.wait()
            return frame(self.reads)

    def open_source(_: tuple[int, int]) -> LiveSource:
        opened.append(1)
        return Deaf(frame)

    before = threading.active_count()
    with supervised(open_source, camera(stall_after_s=0.02, backoff_max_s=0.01)) as (supervisor, _):

        def given_up() -> bool:
            supervisor.read(0.02)
            return "earlier calls to it hang as well" in supervisor.status().message

        wait_until(given_up)
        assert len(opened) == 4 and threading.active_count() <= before + 4
        assert state_of(supervisor) == "stalled"
        release.set()
        wait_until(lambda: threading.active_count() <= before + 1)
        wait_until(lambda: supervisor.read(0.02) is not None and state_of(supervisor) == "running")


@pytest.mark.alone
def test_an_open_that_never_returns_is_no_reason_to_wait_at_the_end() -> None:
    release = threading.Event()

    def open_source(_: tuple[int, int]) -> LiveSource:
        release.wait()
        return late

    late = Script(frame)
    with supervised(open_source) as (supervisor, _):
        assert supervisor.read(0.05) is None and state_of(supervisor) == "starting"
        began = time.monotonic()
        supervisor.close(0.05)
        assert time.monotonic() - began < 2.0
        release.set()
        wait_until(late.closed.is_set)


def test_a_hundred_reconnects_leave_nothing_behind() -> None:
    def one(seq: int) -> Frame:
        if seq:
            raise SourceLost("gone")
        return frame(seq)

    before, memory = process_size(), psutil.Process().memory_info().rss
    with supervised(lambda _: Script(one, fps=1000.0), camera(backoff_max_s=0.01)) as (supervisor, _):
        wait_until(lambda: supervisor.status().reconnects >= 100)
        assert supervisor.status().captured >= 100
    wait_until(lambda: no_larger_than(before))
    assert psutil.Process().memory_info().rss - memory < 10e6
