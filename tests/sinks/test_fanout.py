"""A slow, hanging or broken sink hurts only itself."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import Any, ClassVar

import pytest

from edge_segnet.core import threads
from edge_segnet.core.types import Result
from edge_segnet.sinks.fanout import Fanout, Outlet
from tests.support.results import ListSink, result_of
from tests.support.waiting import wait_until


def _has(sink: ListSink, count: int) -> bool:
    return len(sink.results) == count


def test_every_sink_gets_every_result() -> None:
    one, two = ListSink(), ListSink()
    fanout = Fanout({"one": one, "two": two})
    for seq in range(3):
        fanout.publish(result_of(seq))
        wait_until(partial(_has, one, seq + 1))
        wait_until(partial(_has, two, seq + 1))
    status = fanout.status()
    wanted = {"state": "running", "error": None, "queue": 0, "published": 3, "dropped": 0, "failed": 0}
    assert status["one"].to_dict() == {**wanted, "last_error": None, "kept": 3}
    fanout.close()
    assert one.closed and two.closed


def test_a_hanging_sink_loses_frames_and_nobody_waits_for_it() -> None:
    slow, quick = ListSink(), ListSink()
    slow.gate.clear()
    fanout = Fanout({"slow": slow, "quick": quick})
    for seq in range(50):
        fanout.publish(result_of(seq))
        wait_until(partial(_has, quick, seq + 1))
    slow.gate.set()
    wait_until(lambda: len(slow.results) == 2)
    assert [result.frame.seq for result in slow.results] == [0, 49]
    assert fanout.status()["slow"].dropped == 48
    fanout.close()


def test_cameras_do_not_take_each_others_place() -> None:
    sink = ListSink()
    sink.gate.clear()
    fanout = Fanout({"sink": sink})
    fanout.publish(result_of(0, "front"))
    for seq in range(1, 4):
        fanout.publish(result_of(seq, "front"))
        fanout.publish(result_of(seq, "rear"))
    sink.gate.set()
    wait_until(lambda: {(r.frame.camera, r.frame.seq) for r in sink.results} >= {("front", 3), ("rear", 3)})
    fanout.close()


def test_a_broken_sink_is_counted_and_goes_on() -> None:
    sink = ListSink()
    sink.broken = True
    fanout = Fanout({"sink": sink})
    fanout.publish(result_of(0))
    wait_until(lambda: fanout.status()["sink"].failed == 1)
    assert fanout.status()["sink"].last_error == "no space"
    sink.broken = False
    fanout.publish(result_of(1))
    wait_until(lambda: len(sink.results) == 1)
    fanout.close()


class Exclusive(ListSink):
    """One at a time has the place, as with a port."""

    holders: ClassVar[list[ListSink]] = []
    fails = 0

    def __init__(self) -> None:
        super().__init__()
        self.busy = threading.Event()

    def publish(self, result: Result) -> None:
        """Notice that one came."""
        self.busy.set()
        super().publish(result)

    def start(self) -> None:
        """Take the place."""
        if self.fails:
            self.fails -= 1
            raise OSError("not now")
        assert not self.holders, "two at once"
        self.holders.append(self)

    def close(self) -> None:
        """Give it back."""
        super().close()
        if self in self.holders:
            self.holders.remove(self)


@pytest.mark.alone
def test_a_new_one_takes_the_place_once_the_old_one_is_closed() -> None:
    old, new = Exclusive(), Exclusive()
    fanout = Fanout({})
    first = Outlet("sink", old)
    second = Outlet("sink", new, first)
    for outlet in (first, second):
        outlet.start()
    first.begin()
    fanout.outlets = {"sink": first}
    wait_until(lambda: old.holders == [old])
    old.gate.clear()
    fanout.publish(result_of(0))
    assert old.busy.wait(20)
    began = time.monotonic()
    fanout.outlets = {"sink": second}
    first.stop()
    second.begin()
    fanout.publish(result_of(1))
    assert time.monotonic() - began < 0.5, "nobody waits"
    assert fanout.status()["sink"].state == "starting"
    old.gate.set()
    wait_until(lambda: len(new.results) == 1)
    assert old.closed and new.holders == [new]
    fanout.close()
    assert new.closed


def test_one_that_never_got_to_work_is_closed_and_disturbs_nobody() -> None:
    old, new = Exclusive(), Exclusive()
    first = Outlet("sink", old)
    first.start()
    first.begin()
    wait_until(lambda: old.holders == [old])
    second = Outlet("sink", new, first)
    second.start()
    second.discard()
    wait_until(lambda: new.closed)
    assert old.holders == [old] and not old.closed
    unstarted = Outlet("sink", ListSink())
    unstarted.discard()
    first.stop()
    first.join(5)
    assert old.closed


def test_a_start_that_fails_is_seen_and_tried_again() -> None:
    sink = Exclusive()
    sink.fails = 1
    outlet = Outlet("fickle", sink)
    outlet.start()
    outlet.begin()
    wait_until(lambda: [fault for fault in threads.faults() if fault.thread == "sink-fickle"])
    wait_until(lambda: sink.holders == [sink])
    outlet.stop()
    outlet.join(5)


def test_a_sink_that_cannot_tell_its_status_is_a_failed_one(caplog: pytest.LogCaptureFixture) -> None:
    class Mute(ListSink):
        def status(self) -> dict[str, Any]:
            raise KeyError("counts")

    class Odd(ListSink):
        def status(self) -> dict[str, Any]:
            return {"queue": -1}

    fanout = Fanout({"mute": Mute(), "odd": Odd(), "other": ListSink()})
    for _ in range(3):
        told = fanout.status()
        assert told["mute"].state == "failed" and "unexpected KeyError: 'counts'" in str(told["mute"].error)
        assert told["odd"].state == "failed" and "queue" in str(told["odd"].error)
        assert told["other"].state == "running"
    assert caplog.text.count("mute: its status can't be had") == 1
    fanout.close()


def test_closing_does_not_wait_for_a_sink_that_hangs() -> None:
    sink = ListSink()
    sink.gate.clear()
    fanout = Fanout({"sink": sink})
    fanout.publish(result_of(0))
    wait_until(lambda: fanout.status()["sink"].dropped == 0)
    started = time.monotonic()
    fanout.close()
    assert time.monotonic() - started < 5.0
    sink.gate.set()
