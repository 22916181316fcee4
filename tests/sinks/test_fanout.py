"""A slow, hanging or broken sink hurts only itself."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from edge_segnet.sinks.fanout import Fanout
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


def test_a_sink_that_cannot_tell_its_status_is_told_as_failed() -> None:
    class Mute(ListSink):
        def status(self) -> dict[str, Any]:
            return {"queue": "three", "kept": self.results[99]}

    class Odd(ListSink):
        def status(self) -> dict[str, Any]:
            return {"queue": "three"}

    fanout = Fanout({"mute": Mute(), "odd": Odd(), "well": ListSink()})
    status = fanout.status()
    assert status["mute"].state == status["odd"].state == "failed" and status["well"].state == "running"
    assert "IndexError" in str(status["mute"].error) and "queue" in str(status["odd"].error)
    fanout.close()


def test_replacing() -> None:
    old, new = ListSink(), ListSink()
    fanout = Fanout({"sink": old})
    fanout.replace("sink", new)
    assert old.closed
    fanout.publish(result_of(0))
    wait_until(lambda: len(new.results) == 1)
    fanout.replace("sink", None)
    assert new.closed and fanout.status() == {}


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
