"""The loop: newest frame, honest numbers, swaps and stops between frames."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import sub
from typing import Any

import pytest

from edge_segnet.core.errors import ModelError
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import Drops, Frame, Generation, Origin, Result, Segmentation, Turn, View
from edge_segnet.service.loop import Loop
from tests.support.results import SIZE, VIEW, ListSource, PlainBackend, frame_of
from tests.support.waiting import wait_until

OTHER = View(VIEW.classes, "crop")


def loop_of(source: ListSource, backend: PlainBackend, **given: Any) -> tuple[Loop, list[Result]]:
    results: list[Result] = []
    return Loop(source, Generation(backend, "tiny", VIEW, **given), results.append, CameraTelemetry()), results


def test_every_frame_becomes_a_result_with_its_numbers() -> None:
    backend = PlainBackend()
    loop, results = loop_of(ListSource([frame_of(seq) for seq in range(5)]), backend)
    loop.run()
    assert [result.frame.seq for result in results] == [0, 1, 2, 3, 4] == backend.seen
    first = results[0]
    assert (first.model, first.backend, first.stale, first.dropped) == ("tiny", "double", False, Drops())
    assert list(first.segmentation.stages_ms) == ["capture", "network"]
    assert first.age_ms >= first.segmentation.stages_ms["capture"] >= 0.0
    assert loop.telemetry.frames == 5 and loop.telemetry.last is results[-1]


def test_gaps_in_seq_are_drops_and_the_start_is_none() -> None:
    loop, results = loop_of(ListSource([frame_of(seq) for seq in (7, 8, 11, 12, 20)]), PlainBackend())
    loop.run()
    assert [result.dropped for result in results] == [Drops(late) for late in (0, 0, 2, 2, 9)]


def test_skipped_is_what_the_rate_does_not_ask_for_and_late_what_the_network_missed() -> None:
    class Camera(ListSource):
        """Numbers its frames by the clock, 1000 a second."""

        def read(self, timeout_s: float) -> Frame | None:
            if time.monotonic() > ends:
                return super().read(timeout_s)
            return frame_of(int(1000 * (time.monotonic() - began)))

    began = time.monotonic()
    ends = began + 0.6
    loop, results = loop_of(Camera([]), PlainBackend(), rate=20.0)
    loop.run()
    assert results[-1].dropped.skipped >= 400 > 5 * results[-1].dropped.late

    class Slow(PlainBackend):
        def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
            time.sleep(0.1)
            return super().infer(frames)

    began = time.monotonic()
    ends = began + 0.6
    loop, results = loop_of(Camera([]), Slow(), rate=100.0)
    loop.run()
    assert results[-1].dropped.late >= 300 > 5 * results[-1].dropped.skipped


def test_damaged_pictures_are_counted_for_themselves() -> None:
    frames = [replace(frame_of(seq), damaged=damaged) for seq, damaged in ((3, 0), (4, 0), (8, 2), (9, 2))]
    loop, results = loop_of(ListSource(frames), PlainBackend())
    loop.run()
    assert [result.dropped for result in results] == [Drops(), Drops(), Drops(1, 0, 2), Drops(1, 0, 2)]


def test_old_frames_are_stale() -> None:
    frames = [frame_of(0, age_ms=300), frame_of(1)]
    loop, results = loop_of(ListSource(frames), PlainBackend(), origin=Origin("x", 0.2))
    loop.run()
    assert [result.stale for result in results] == [True, False]
    assert results[0].age_ms >= 300
    wait_until(lambda: results[1].stale)  # judged when it is read
    assert results[1].age_now_ms > 200 > results[1].age_ms


def test_frames_of_another_size_are_skipped() -> None:
    frames = [frame_of(0), frame_of(1, size=(64, 48)), frame_of(2)]
    loop, results = loop_of(ListSource(frames), PlainBackend())
    loop.run()
    assert [result.frame.seq for result in results] == [0, 2]


def test_no_frame_is_progress_too_and_a_stop_is_seen() -> None:
    loop, results = loop_of(ListSource([], ends=False), PlainBackend())
    thread = threading.Thread(target=loop.run)
    thread.start()
    before = loop.progress_ns
    wait_until(lambda: loop.progress_ns > before)
    loop.stop()
    thread.join(20)
    assert not thread.is_alive() and results == []


def test_a_hanging_backend_is_no_progress() -> None:
    backend = PlainBackend()
    backend.gate.clear()
    loop, _ = loop_of(ListSource([frame_of(0)]), backend)
    thread = threading.Thread(target=loop.run)
    thread.start()
    before = loop.progress_ns
    time.sleep(0.1)
    assert loop.progress_ns == before
    backend.gate.set()
    thread.join(20)
    assert loop.progress_ns > before


def test_the_pace_is_kept_and_late_turns_are_not_caught_up() -> None:
    class Endless(ListSource):
        def read(self, timeout_s: float) -> Frame | None:  # noqa: ARG002 - there is always one
            self.taken = getattr(self, "taken", -1) + 1
            return frame_of(self.taken)

    loop, results = loop_of(Endless([]), PlainBackend(), rate=100.0)
    thread = threading.Thread(target=loop.run)
    started = time.monotonic()
    thread.start()
    wait_until(lambda: len(results) >= 20)
    took_s = time.monotonic() - started
    loop.stop()
    thread.join(20)
    # Never faster than asked for, however late single turns are.
    assert took_s >= 19 / 100.0 - 0.01


@pytest.mark.alone
def test_a_swap_takes_effect_between_frames() -> None:
    old, new = PlainBackend(), PlainBackend()
    new.name = "new"
    old.gate.clear()
    source = ListSource([frame_of(seq) for seq in range(3)], ends=False)
    loop, results = loop_of(source, old)
    thread = threading.Thread(target=loop.run)
    thread.start()
    wait_until(lambda: len(source.frames) == 2)
    began = time.monotonic()
    loop.exchange(Generation(new, "better", OTHER))
    assert time.monotonic() - began < 1.0, "it waits for nobody"
    assert loop.uses(old) and loop.uses(new)  # the old one is still at work
    old.gate.set()
    wait_until(lambda: len(results) == 3)
    assert loop.uses(new) and not loop.uses(old)
    loop.stop()
    thread.join(20)
    assert results[0].model == "tiny"
    assert results[-1].model == "better" and results[-1].backend == "new"
    assert results[0].view is VIEW and results[-1].view is OTHER
    assert old.seen == [0] and new.seen == [1, 2]


class Sized(ListSource):
    """Gives frames at the size that was asked for last, as a supervisor does: ``late`` ones more at the size before."""

    def __init__(self, late: int = 0) -> None:
        super().__init__([])
        self.size, self.coming, self.seq, self.late, self.left = SIZE, SIZE, -1, late, 0

    def read(self, timeout_s: float) -> Frame | None:
        time.sleep(min(timeout_s, 0.005))
        self.seq += 1
        self.size = self.size if self.left > 0 else self.coming
        self.left -= 1
        return frame_of(self.seq, size=self.size)

    def resize(self, size: tuple[int, int]) -> None:
        self.coming, self.left = size, self.late


class Waits:
    """As a network that other cameras have first: each frame gives way to a newer one."""

    def __init__(self, backend: PlainBackend) -> None:
        self.backend = backend

    def segment(self, frame: Frame, newest: Callable[[], Frame | None]) -> Turn:
        frame = newest() or frame
        return Turn(frame, self.backend.infer([frame])[0], time.monotonic_ns())


@pytest.mark.parametrize("waits", [False, True], ids=["alone", "with others"])
@pytest.mark.parametrize("late", [0, 1, 20])
def test_another_size_costs_no_frame(late: int, waits: bool) -> None:
    """Until the source has followed, as one whose crop must show more has to, the network from before has its frames:
    none of them is of a size that the network can't take.
    """
    backends = PlainBackend(), PlainBackend((64, 48))
    turns = [Waits(backend) if waits else None for backend in backends]
    loop, results = loop_of(Sized(late), backends[0], turns=turns[0])
    thread = threading.Thread(target=loop.run)
    thread.start()
    wait_until(lambda: len(results) > 3)
    loop.exchange(Generation(backends[1], "wider", OTHER, turns=turns[1]))
    wait_until(lambda: results[-1].model == "wider" and not loop.uses(backends[0]) and len(results) > 8)
    loop.stop()
    thread.join(20)
    seen = [result.frame.seq for result in results]
    assert all(gap <= 1 + waits for gap in map(sub, seen[1:], seen)), seen
    models = [result.model for result in results]
    assert models == sorted(models), "tiny, then wider"
    sizes = {(result.model, result.frame.image.shape[1::-1]) for result in results}
    assert sizes == {("tiny", SIZE), ("wider", (64, 48))}


def test_a_source_that_does_not_follow_keeps_no_network() -> None:
    old, new = PlainBackend(), PlainBackend((64, 48))
    source = ListSource([], ends=False)  # it is lost
    loop, _ = loop_of(source, old)
    thread = threading.Thread(target=loop.run)
    thread.start()
    loop.exchange(Generation(new, "wider", OTHER))
    wait_until(lambda: not loop.uses(old))
    loop.stop()
    thread.join(20)


def test_a_slow_rate_is_no_hang_and_another_is_taken_at_once() -> None:
    loop, results = loop_of(ListSource([frame_of(seq) for seq in range(9)], ends=False), PlainBackend(), rate=0.02)
    thread = threading.Thread(target=loop.run)
    thread.start()
    wait_until(lambda: len(results) == 1)
    before = loop.progress_ns
    wait_until(lambda: loop.progress_ns > before)
    assert len(results) == 1
    loop.exchange(Generation(PlainBackend(), "tiny", VIEW))
    wait_until(lambda: len(results) == 9)
    loop.stop()
    thread.join(20)


def test_a_backend_that_fails_ends_the_loop() -> None:
    class Failing(PlainBackend):
        def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
            raise ModelError(f"no memory at {frames[0].seq}")

    loop, _ = loop_of(ListSource([frame_of(3)]), Failing())
    with pytest.raises(ModelError, match="no memory at 3"):
        loop.run()


def test_frames_are_frozen() -> None:
    assert replace(frame_of(0), scaled_from=(1920, 1080)).source_size == (1920, 1080)
    assert frame_of(0).source_size == SIZE
