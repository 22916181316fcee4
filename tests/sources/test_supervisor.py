"""The supervisor around sources that behave and misbehave: what it shows and what it delivers."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from edge_segnet.core.errors import BadFrame, EndOfStream, InputError, SourceLost, UsageError
from edge_segnet.core.types import Frame
from edge_segnet.pictures.shape import fit_image
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources.live import LiveSource
from edge_segnet.sources.supervisor import Supervisor
from tests.support.scripted import SIZE, File, Script, camera, frame, state_of, supervised, take
from tests.support.waiting import wait_until


def test_frames_come_numbered_and_named() -> None:
    with supervised(lambda _: Script(frame)) as (supervisor, changes):
        frames = take(supervisor, 5)
        assert [got.camera for got in frames] == ["front"] * 5
        assert all(later.seq > earlier.seq for earlier, later in pairwise(frames))
        status = supervisor.status()
        assert (status.state, status.source_size, status.reconnects, status.synthetic) == ("running", SIZE, 0, False)
        assert status.captured >= 5 and 5.0 < status.frames_per_second <= 250.0
        assert [change.state for change in changes] == ["running"]


def test_the_newest_frame_wins_and_its_number_tells_of_the_others() -> None:
    with supervised(lambda _: Script(frame)) as (supervisor, _):
        wait_until(lambda: supervisor.status().captured >= 50)
        first = supervisor.read(1.0)
        assert first is not None and first.seq >= 49


def test_gaps_in_the_sources_own_numbers_stay_gaps() -> None:
    with supervised(lambda _: Script(lambda seq: frame(10 * seq + 7), fps=20.0)) as (supervisor, _):
        frames = take(supervisor, 3)
        assert (frames[2].seq - frames[1].seq) % 10 == 0 and frames[0].seq % 10 == 0
        assert frames[2].seq > frames[1].seq > frames[0].seq


@pytest.mark.parametrize("whole", [True, False], ids=["with the whole picture", "cut already"])
def test_after_a_resize_a_crop_is_a_crop(whole: bool) -> None:
    scene = np.zeros((90, 160, 3), np.uint8)
    scene[:, 40:120] = 200

    def cut(seq: int) -> Frame:
        part = fit_image(scene, (80, 60), "crop")
        original = scene if whole else None
        return Frame(part, original, seq, time.monotonic_ns(), time.time(), "double", scaled_from=(160, 90))

    class Deaf(Script):
        """It does not follow."""

        def resize(self, size: tuple[int, int]) -> None: ...

    supervisor = Supervisor(lambda _: Deaf(cut), "front", (80, 60), camera(), "crop")
    supervisor.start()
    try:
        take(supervisor, 1)
        supervisor.resize((60, 60))  # less than was cut out: no frame is lost
        got = take(supervisor, 1)[0].image
        assert np.abs(got.astype(int) - fit_image(scene, (60, 60), "crop")).mean() < (0.1 if whole else 2.0)
        supervisor.resize((120, 60))  # more: of what was cut for another shape it can't be had
        assert take(supervisor, 1)[0].image.shape == ((60, 120, 3) if whole else (60, 80, 3))
        supervisor.resize((40, 30))
        assert take(supervisor, 1)[0].image.shape == (30, 40, 3)
    finally:
        supervisor.close()


def test_a_flood_is_bounded() -> None:
    with supervised(lambda _: Script(frame, fps=1e6)) as (supervisor, _):
        wait_until(lambda: supervisor.status().captured > 100)
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
        wait_until(lambda: len(tries) >= 5)
        status = supervisor.status()
        assert (status.state, status.message) == ("missing", "rtsp://cam/1: nobody answers")
        assert supervisor.read(0.01) is None
        there.set()
        take(supervisor, 1)
        assert [change.state for change in changes] == ["missing", "running"]
        assert supervisor.status().reconnects == 0
    # 0.2, 0.4, 0.4 ... s, each shortened by chance to half at most; a busy machine only makes it longer.
    assert tries[4] - tries[0] >= 0.1 + 3 * 0.2 - 0.02
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
        wait_until(lambda: supervisor.status().reconnects >= 2)
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
        wait_until(lambda: supervisor.status().reconnects >= 1)
        assert next(change.message for change in changes if change.state == "lost") == "unexpected KeyError: 'oops'"


def test_what_can_never_work_is_shown() -> None:
    def open_source(_: tuple[int, int]) -> LiveSource:
        raise UsageError("no such element", hint="install it")

    with supervised(open_source) as (supervisor, _):
        wait_until(lambda: state_of(supervisor) == "missing")
        assert supervisor.status().message == "no such element: install it"


def test_a_stall_is_noticed_and_the_source_opened_again() -> None:
    opened: list[Script] = []

    def open_source(_: tuple[int, int]) -> LiveSource:
        opened.append(Script(lambda seq: frame(seq) if seq < 5 or len(opened) > 1 else None))
        return opened[-1]

    with supervised(open_source) as (supervisor, changes):
        wait_until(lambda: [change.state for change in changes] == ["running", "stalled", "running"])
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
        wait_until(lambda: [change.state for change in changes] == ["running", "frozen", "running"])
        assert "the same frame again and again" in changes[1].message
        assert opened[0].closed.is_set()


def test_the_same_bytes_under_new_timestamps_are_static_and_still_delivered() -> None:
    moving = threading.Event()
    source = Script(lambda seq: frame(seq, value=None if moving.is_set() else 70))
    with supervised(lambda _: source, camera(static_after_s=0.2)) as (supervisor, changes):
        wait_until(lambda: state_of(supervisor) == "static")
        assert len(take(supervisor, 3)) == 3 and not source.closed.is_set()
        assert supervisor.status().message.startswith("the same picture for ")
        moving.set()
        wait_until(lambda: state_of(supervisor) == "running")
        assert [change.state for change in changes] == ["running", "static", "running"]
        assert supervisor.status().reconnects == 0


@pytest.mark.parametrize("colour", [(0, 0, 0), (18, 16, 17), (0, 135, 0)], ids=["black", "video black", "zeros"])
def test_a_black_picture_is_none(colour: tuple[int, int, int]) -> None:
    """A covered lens: at once nothing more is delivered, then it is said, and a picture ends it; nothing is opened."""
    covered = threading.Event()

    def act(seq: int) -> Frame:
        if not covered.is_set():
            return frame(seq)
        return replace(frame(seq), image=np.full((SIZE[1], SIZE[0], 3), colour, np.uint8))

    source = Script(act)
    with supervised(lambda _: source) as (supervisor, changes):
        take(supervisor, 2)
        covered.set()
        wait_until(lambda: state_of(supervisor) == "black")
        assert supervisor.read(0.0) is None or supervisor.read(0.0) is None  # one good one may have been left
        assert supervisor.status().message.startswith("there is nothing to see for ") and supervisor.status().bad > 10
        covered.clear()
        last = take(supervisor, 1)[0]
        assert last.image.max() >= 40 and last.damaged >= supervisor.status().bad
        assert [change.state for change in changes] == ["running", "black", "running"]
        assert not source.closed.is_set() and supervisor.status().reconnects == 0


def test_a_black_picture_is_marked_where_that_is_asked_for() -> None:
    config = CameraConfig(source="rtsp://cam/1", stall_after_s=0.1, on_damage="flag")
    with supervised(lambda _: Script(lambda seq: frame(seq, value=0)), config) as (supervisor, _):
        wait_until(lambda: state_of(supervisor) == "black")
        assert not any(one.whole for one in take(supervisor, 3)) and state_of(supervisor) == "black"


def test_black_files_are_taken_as_they_are() -> None:
    config = camera(stall_after_s=0.05, static_after_s=0.05)
    with supervised(lambda _: File(lambda seq: frame(seq, value=0)), config) as (supervisor, changes):
        assert all(one.whole for one in take(supervisor, 20)) and [change.state for change in changes] == ["running"]


def test_files_neither_stall_nor_freeze_and_end() -> None:
    stamp = time.monotonic_ns()

    def play(seq: int) -> Frame | None:
        if seq == 20:
            raise EndOfStream("20 frames")
        return frame(seq, value=1, captured_ns=stamp) if seq in (0, 19) else None

    config = camera(stall_after_s=0.05, static_after_s=0.05)
    with supervised(lambda _: File(play, fps=20.0), config) as (supervisor, changes):
        wait_until(lambda: state_of(supervisor) == "ended")
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
        wait_until(lambda: len(changes) >= 2)
        assert changes[1].state == "stalled" and "broken JPEG" in changes[1].message


def test_a_new_size_holds_from_the_next_read_on() -> None:
    source = Script(frame)
    with supervised(lambda _: source) as (supervisor, _):
        take(supervisor, 1)
        supervisor.resize((16, 12))
        small = take(supervisor, 1)[0]
        assert small.image.shape == (12, 16, 3) and not small.image.flags.writeable
        assert small.source_size == SIZE
        wait_until(lambda: source.size == (16, 12))


@pytest.mark.alone
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


def test_a_slow_camera_is_not_stalled_between_two_frames() -> None:
    """0.4 frames a second at the default limits, here three times as quick."""
    slow = Script(lambda number: None if number % 8 else frame(number), fps=10.0)
    with supervised(lambda _: slow, camera(stall_after_s=0.5)) as (supervisor, changes):
        seen: list[object] = []

        def four() -> bool:
            if (come := supervisor.read(0.05)) is not None:
                seen.append(come)
            return len(seen) >= 4

        wait_until(four)
        assert [change.state for change in changes] == ["running"]
        slow.act = lambda _: None
        wait_until(lambda: [change.state for change in changes][1:2] == ["stalled"])
