"""The supervisor around sources that behave and misbehave: what it shows, what it delivers, what it leaves behind."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import psutil
import pytest

from edge_segnet.config import CameraConfig
from edge_segnet.errors import BadFrame, EndOfStream, InputError, SourceLost, UsageError
from edge_segnet.sources.health import CameraStatus, State
from edge_segnet.sources.live import LiveSource
from edge_segnet.sources.supervisor import Supervisor
from edge_segnet.types import Frame

SIZE = (32, 24)
PATIENCE_S = 20.0
STALLS = 8
"""Each takes as long as a stall takes to notice."""


def wait_for(condition: Callable[[], bool], what: str = "") -> None:
    """Poll until true; a busy machine gets time."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what or "it did not happen"
        time.sleep(0.005)


class Script:
    """A source that does what ``act`` says at each read: return a frame, None, or raise; ``act`` gets the number."""

    live = True

    def __init__(self, act: Callable[[int], Frame | None], fps: float = 200.0) -> None:
        self.act, self.fps = act, fps
        self.size = SIZE
        self.reads = 0
        self.closed = threading.Event()

    def read(self, timeout_s: float) -> Frame | None:
        if self.closed.wait(min(timeout_s, 1.0 / self.fps)):
            raise SourceLost("closed")
        self.reads += 1
        return self.act(self.reads - 1)

    def resize(self, size: tuple[int, int]) -> None:
        self.size = size

    def close(self) -> None:
        self.closed.set()


class File(Script):
    live = False


def frame(seq: int, *, value: int | None = None, captured_ns: int | None = None) -> Frame:
    image = np.full((SIZE[1], SIZE[0], 3), seq % 251 if value is None else value, np.uint8)
    return Frame(image, None, seq, time.monotonic_ns() if captured_ns is None else captured_ns, time.time(), "double")


def camera(**fields: float) -> CameraConfig:
    """Quick limits; ``stall_after_s`` is 0.3 unless given."""
    return CameraConfig.model_validate({"source": "rtsp://cam/1", "stall_after_s": 0.3, "backoff_max_s": 0.4} | fields)


@contextmanager
def supervised(
    open_source: Callable[[tuple[int, int]], LiveSource], config: CameraConfig | None = None
) -> Iterator[tuple[Supervisor, list[CameraStatus]]]:
    changes: list[CameraStatus] = []
    supervisor = Supervisor(open_source, "front", SIZE, config or camera(), changes.append)
    supervisor.start()
    try:
        yield supervisor, changes
    finally:
        supervisor.close()


def state_of(supervisor: Supervisor) -> State:
    return supervisor.status().state


def take(supervisor: Supervisor, count: int) -> list[Frame]:
    frames: list[Frame] = []

    def enough() -> bool:
        if (got := supervisor.read(0.2)) is not None:
            frames.append(got)
        return len(frames) >= count

    wait_for(enough, "no frames")
    return frames


def test_frames_come_numbered_and_named() -> None:
    with supervised(lambda _: Script(frame)) as (supervisor, changes):
        frames = take(supervisor, 5)
        assert [got.camera for got in frames] == ["front"] * 5
        assert all(later.seq > earlier.seq for earlier, later in pairwise(frames))
        status = supervisor.status()
        assert (status.state, status.source_size, status.reconnects, status.synthetic) == ("running", SIZE, 0, False)
        assert status.captured >= 5 and 5.0 < status.frames_per_second <= 250.0
        assert [change.state for change in changes] == ["running"]


def test_the_newest_frame_wins_and_the_others_are_counted() -> None:
    with supervised(lambda _: Script(frame)) as (supervisor, _):
        wait_for(lambda: supervisor.status().captured >= 50)
        first = supervisor.read(1.0)
        assert first is not None and first.seq >= 49
        assert supervisor.status().dropped >= 49


def test_gaps_in_the_sources_own_numbers_count_as_dropped() -> None:
    with supervised(lambda _: Script(lambda seq: frame(10 * seq + 7), fps=20.0)) as (supervisor, _):
        frames = take(supervisor, 3)
        status = supervisor.status()
        assert (frames[2].seq - frames[1].seq) % 10 == 0 and frames[0].seq % 10 == 0
        assert status.captured + status.dropped - 1 >= frames[2].seq - 2
        assert status.dropped >= frames[2].seq - 2


def test_a_flood_is_bounded() -> None:
    with supervised(lambda _: Script(frame, fps=1e6)) as (supervisor, _):
        wait_for(lambda: supervisor.status().captured > 100)
        before, began = supervisor.status().captured, time.monotonic()
        ages = [time.monotonic_ns() - take(supervisor, 1)[0].captured_ns for _ in range(50)]
        rate = (supervisor.status().captured - before) / (time.monotonic() - began)
        assert rate < 300.0
        assert sorted(ages)[25] < 50e6


def test_a_camera_that_is_not_there_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    there = threading.Event()
    tries: list[float] = []

    def open_source(_: tuple[int, int]) -> LiveSource:
        tries.append(time.monotonic())
        if not there.is_set():
            raise InputError("rtsp://me:secret@cam/1: nobody\nanswers")
        return Script(frame)

    with caplog.at_level(logging.INFO), supervised(open_source) as (supervisor, changes):
        wait_for(lambda: len(tries) >= 5)
        status = supervisor.status()
        assert (status.state, status.message) == ("missing", "rtsp://cam/1: nobody answers")
        assert supervisor.read(0.01) is None
        there.set()
        take(supervisor, 1)
        assert [change.state for change in changes] == ["missing", "running"]
        assert supervisor.status().reconnects == 0
    pauses = [later - earlier for earlier, later in pairwise(tries)]
    assert pauses[0] >= 0.09 and all(pause >= 0.19 for pause in pauses[2:-1])
    assert [record.message for record in caplog.records] == [
        "camera front: missing: rtsp://cam/1: nobody answers",
        "camera front: running: 32x24",
    ]


def test_a_lost_camera_comes_back_with_its_numbers_going_on() -> None:
    def break_off(seq: int) -> Frame:
        if seq == 4:
            raise SourceLost("unplugged")
        return frame(seq)

    with supervised(lambda _: Script(break_off, fps=50.0)) as (supervisor, changes):
        wait_for(lambda: supervisor.status().reconnects >= 2)
        last = supervisor.read(1.0)
        assert last is not None and last.seq >= 8
        states = [change.state for change in changes]
        assert states[:4] == ["running", "lost", "running", "lost"]
        assert changes[1].message == "unplugged"


def test_a_bug_in_a_source_costs_that_camera_a_reconnect_only() -> None:
    def buggy(seq: int) -> Frame:
        if seq == 2:
            raise KeyError("oops")
        return frame(seq)

    with supervised(lambda _: Script(buggy)) as (supervisor, changes):
        wait_for(lambda: supervisor.status().reconnects >= 1)
        assert next(change.message for change in changes if change.state == "lost") == "unexpected KeyError: 'oops'"


def test_what_can_never_work_is_shown() -> None:
    def open_source(_: tuple[int, int]) -> LiveSource:
        raise UsageError("no such element", hint="install it")

    with supervised(open_source) as (supervisor, _):
        wait_for(lambda: state_of(supervisor) == "missing")
        assert supervisor.status().message == "no such element: install it"


def test_a_stall_is_noticed_and_the_source_opened_again() -> None:
    opened: list[Script] = []

    def open_source(_: tuple[int, int]) -> LiveSource:
        opened.append(Script(lambda seq: frame(seq) if seq < 5 or len(opened) > 1 else None))
        return opened[-1]

    with supervised(open_source) as (supervisor, changes):
        wait_for(lambda: [change.state for change in changes] == ["running", "stalled", "running"])
        assert "no frame for 0." in changes[1].message
        assert opened[0].closed.is_set() and supervisor.status().reconnects == 1


def test_the_same_timestamp_again_and_again_is_frozen() -> None:
    opened: list[Script] = []

    def open_source(_: tuple[int, int]) -> LiveSource:
        stamp = time.monotonic_ns()
        first = not opened
        opened.append(Script(lambda seq: frame(seq, captured_ns=stamp if first and seq > 3 else None)))
        return opened[-1]

    with supervised(open_source) as (_, changes):
        wait_for(lambda: [change.state for change in changes] == ["running", "frozen", "running"])
        assert "the same frame again and again" in changes[1].message
        assert opened[0].closed.is_set()


def test_the_same_bytes_under_new_timestamps_are_static_and_still_delivered() -> None:
    moving = threading.Event()
    source = Script(lambda seq: frame(seq, value=None if moving.is_set() else 7))
    with supervised(lambda _: source, camera(static_after_s=0.2)) as (supervisor, changes):
        wait_for(lambda: state_of(supervisor) == "static")
        assert len(take(supervisor, 3)) == 3 and not source.closed.is_set()
        assert supervisor.status().message.startswith("the same picture for ")
        moving.set()
        wait_for(lambda: state_of(supervisor) == "running")
        assert [change.state for change in changes] == ["running", "static", "running"]
        assert supervisor.status().reconnects == 0


def test_files_neither_stall_nor_freeze_and_end() -> None:
    stamp = time.monotonic_ns()

    def play(seq: int) -> Frame | None:
        if seq == 20:
            raise EndOfStream("20 frames")
        return frame(seq, value=1, captured_ns=stamp) if seq in (0, 19) else None

    config = camera(stall_after_s=0.05, static_after_s=0.05)
    with supervised(lambda _: File(play, fps=20.0), config) as (supervisor, changes):
        wait_for(lambda: state_of(supervisor) == "ended")
        assert [change.state for change in changes] == ["running", "ended"]
        last = supervisor.read(0.0)
        assert last is not None and last.seq == 19
        with pytest.raises(EndOfStream, match="20 frames"):
            supervisor.read(1.0)


def test_bad_frames_are_counted_and_skipped() -> None:
    odd = [
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((24, 32), np.uint8),
        np.full((24, 32, 3), np.nan, np.float32),
        np.zeros((24, 32, 4), np.uint8),
    ]

    def act(seq: int) -> Frame:
        if seq == 0:
            raise BadFrame("broken JPEG")
        if seq <= len(odd):
            return Frame(odd[seq - 1], None, seq, seq, 0.0, "double")  # type: ignore[arg-type]
        return frame(seq)

    with supervised(lambda _: Script(act)) as (supervisor, changes):
        take(supervisor, 2)
        assert supervisor.status().bad == 5
        assert [change.state for change in changes] == ["running"]


def test_only_bad_frames_are_a_stall() -> None:
    def act(seq: int) -> Frame:
        if seq > 3:
            raise BadFrame("broken JPEG")
        return frame(seq)

    with supervised(lambda _: Script(act)) as (_, changes):
        wait_for(lambda: len(changes) >= 2)
        assert changes[1].state == "stalled" and "broken JPEG" in changes[1].message


def test_a_new_size_holds_from_the_next_read_on() -> None:
    source = Script(frame)
    with supervised(lambda _: source) as (supervisor, _):
        take(supervisor, 1)
        supervisor.resize((16, 12))
        small = take(supervisor, 1)[0]
        assert small.image.shape == (12, 16, 3) and not small.image.flags.writeable
        assert small.source_size == SIZE
        wait_for(lambda: source.size == (16, 12))


def process_size() -> tuple[int, int]:
    """Threads and descriptors of this process."""
    return threading.active_count(), len(os.listdir("/proc/self/fd"))  # noqa: PTH208


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
        began = time.monotonic()

        def often() -> bool:
            supervisor.read(0.02)
            return len(opened) > STALLS

        wait_for(often)
        assert threading.active_count() <= before[0] + 3
        assert {change.state for change in changes} == {"running", "stalled"}
        assert "does not answer" in next(change.message for change in changes if change.state == "stalled")
        assert time.monotonic() - began < PATIENCE_S
    wait_for(lambda: process_size() == before)
    assert all(source.closed.is_set() for source in opened)


def test_threads_that_nothing_frees_do_not_pile_up() -> None:
    release = threading.Event()
    opened: list[int] = []

    class Deaf(Script):
        def read(self, timeout_s: float) -> Frame | None:  # noqa: ARG002
            release.wait()
            return None

    def open_source(_: tuple[int, int]) -> LiveSource:
        opened.append(1)
        release.wait()
        return Deaf(frame)

    before = threading.active_count()
    with supervised(open_source, camera(stall_after_s=0.02)) as (supervisor, _):
        supervisor.read(0.1)
        assert state_of(supervisor) == "starting"
        began = time.monotonic()
        supervisor.close(0.05)
        assert time.monotonic() - began < 1.0
        release.set()
        wait_for(lambda: threading.active_count() == before)
        assert len(opened) == 1


def test_a_hundred_reconnects_leave_nothing_behind() -> None:
    def one(seq: int) -> Frame:
        if seq:
            raise SourceLost("gone")
        return frame(seq)

    before, memory = process_size(), psutil.Process().memory_info().rss
    with supervised(lambda _: Script(one, fps=1000.0), camera(backoff_max_s=0.01)) as (supervisor, _):
        wait_for(lambda: supervisor.status().reconnects >= 100)
        assert supervisor.status().captured >= 100
    wait_for(lambda: process_size() == before)
    assert psutil.Process().memory_info().rss - memory < 10e6


def test_close_is_quick_and_may_be_repeated() -> None:
    source = Script(frame)
    supervisor = Supervisor(lambda _: source, "front", SIZE, camera())
    supervisor.close()  # never started
    supervisor = Supervisor(lambda _: source, "front", SIZE, camera())
    supervisor.start()
    take(supervisor, 1)
    began = time.monotonic()
    supervisor.close()
    supervisor.close()
    assert time.monotonic() - began < 2.0 and source.closed.is_set()
