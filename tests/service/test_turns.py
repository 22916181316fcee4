"""Cameras that share a network: the order of their turns, the frames that go, and whose fault is whose."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from types import SimpleNamespace

import pytest

from edge_segnet.core.errors import DeviceLost, SourceLost
from edge_segnet.core.types import Frame, Segmentation, Turn
from edge_segnet.service import turns as module
from edge_segnet.service.turns import Turns
from tests.support.results import PlainBackend, frame_of
from tests.support.waiting import wait_until

NAMES = ("front", "left", "right", "rear")


class Steps(PlainBackend):
    """Keeps every call's frames; each call takes a ``step``."""

    def __init__(self, most: int = 1) -> None:
        super().__init__()
        self.max_batch = most
        self.calls: list[list[str]] = []
        self.step = threading.Semaphore(0)

    def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        self.calls.append([f"{frame.camera} {frame.seq}" for frame in frames])
        assert self.step.acquire(timeout=20)
        return super().infer(frames)


def nothing_newer() -> Frame | None:
    return None


class Loops:
    """Loops, each on a thread, that wait for their turn."""

    def __init__(self, backend: Steps, wait_s: float = 0.0) -> None:
        self.backend, self.turns = backend, Turns(backend, wait_s)
        self._pool = ThreadPoolExecutor(8)

    def come(self, camera: str, seq: int, newest: Callable[[], Frame | None] = nothing_newer) -> Future[Turn]:
        """Return when it waits, or is under way."""
        before = len(self.turns._waiting), len(self.backend.calls)
        future = self._pool.submit(self.turns.segment, frame_of(seq, camera), newest)
        wait_until(lambda: (len(self.turns._waiting), len(self.backend.calls)) != before)
        return future


def test_who_waits_sends_the_newest_frame_and_who_does_not_its_own() -> None:
    loops = Loops(Steps())
    first = loops.come("front", 1, lambda: frame_of(99, "front"))
    second = loops.come("left", 1, lambda: frame_of(3, "left"))
    third = loops.come("right", 1, lambda: frame_of(3, "right", (8, 8)))
    loops.backend.step.release(3)
    assert first.result(20).frame.seq == 1
    turn = second.result(20)
    assert turn.frame.seq == 3 and turn.segmentation.labels[0, 0] == 3
    assert turn.taken_ns >= turn.frame.captured_ns
    assert third.result(20).frame.seq == 1, "of another size: that network can't take it"


def test_first_come_first_served_and_a_quick_camera_takes_nobody_s_turn() -> None:
    loops = Loops(Steps())
    served = [loops.come("front", 1)]
    served += [loops.come("left", 1)]
    loops.backend.step.release()
    wait_until(lambda: len(loops.backend.calls) == 2)
    served += [loops.come("rear", 1)]  # it waits since the second turn
    served += [loops.come("front", 2)]
    loops.backend.step.release()
    wait_until(lambda: len(loops.backend.calls) == 3)
    served += [loops.come("left", 2)]  # since the third: behind both
    loops.backend.step.release(3)
    for each in served:
        each.result(20)
    assert loops.backend.calls[:2] == [["front 1"], ["left 1"]]
    assert sorted(loops.backend.calls[2:4]) == [["front 2"], ["rear 1"]]
    assert loops.backend.calls[4] == ["left 2"]


def test_cameras_that_come_together_are_last_by_turns() -> None:
    loops, last = Loops(Steps()), set()
    for _ in range(40):
        served = [loops.come("front", 0), *(loops.come(name, 1) for name in NAMES[1:])]
        loops.backend.step.release(4)
        for each in served:
            each.result(20)
        last.add(loops.backend.calls[-1][0].split()[0])
    assert last == set(NAMES[1:])


def test_who_has_inferred_goes_on_when_the_next_one_has_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HANDOVER_S", 20.0)
    loops = Loops(Steps())
    first, second = loops.come("front", 1), loops.come("left", 1)
    loops.turns._gathering = True  # nobody may begin
    loops.backend.step.release()
    with pytest.raises(FutureTimeout):
        first.result(0.1)
    with loops.turns._news:
        loops.turns._gathering = False
        loops.turns._news.notify_all()
    assert first.result(10).frame.camera == "front"
    loops.backend.step.release()
    assert second.result(10).frame.camera == "left", "with nobody behind it, it waits for nobody"


def test_frames_go_together_as_many_as_the_network_takes() -> None:
    loops = Loops(Steps(most=3))
    served = [loops.come("front", 5), *(loops.come(name, 6) for name in (*NAMES, "top"))]
    loops.backend.step.release(3)
    turns = [each.result(20) for each in served]
    assert [len(call) for call in loops.backend.calls] == [1, 3, 2]
    for turn in turns:
        assert turn.segmentation.labels[0, 0] == turn.frame.seq, "each has its own result"


class Clock:
    """Time that a test sets; a wait by it is real."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def monotonic_ns(self) -> int:
        return int(1e9 * self.now_s)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock.monotonic, monotonic_ns=clock.monotonic_ns))
    return clock


def came(loops: Loops, clock: Clock, camera: str, times_s: Sequence[float]) -> None:
    """A camera's rhythm, known before."""
    for now_s in times_s:
        clock.now_s = now_s
        loops.turns._note(camera)


def test_a_turn_is_held_for_a_camera_that_is_due(clock: Clock) -> None:
    loops = Loops(Steps(most=4), wait_s=15.0)
    came(loops, clock, "left", (60.0, 80.0))  # due at 100
    came(loops, clock, "front", (70.0, 90.0))
    clock.now_s = 99.0
    first = loops.come("front", 1)
    assert not loops.backend.calls, "it waits"
    second = loops.come("left", 1)
    loops.backend.step.release()
    assert {first.result(20).frame.camera, second.result(20).frame.camera} == {"front", "left"}
    assert [sorted(call) for call in loops.backend.calls] == [["front 1", "left 1"]]


@pytest.mark.parametrize(("times_s", "why"), [((0.0, 60.0), "due later"), ((20.0, 40.0), "overdue"), ((99.0,), "new")])
def test_a_slow_camera_and_one_that_stays_away_cost_the_others_nothing(
    clock: Clock, times_s: tuple[float, ...], why: str
) -> None:
    loops = Loops(Steps(most=4), wait_s=15.0)
    came(loops, clock, "left", times_s)
    clock.now_s = 100.0
    loops.backend.step.release()
    assert loops.come("front", 1).result(5).frame.seq == 1, why


def test_one_camera_s_fault_is_its_own_and_the_network_s_is_everybody_s() -> None:
    class Broken(Steps):
        def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
            found = super().infer(frames)
            if len(self.calls) == 3:
                raise DeviceLost("gone")
            return found

    def breaks() -> Frame | None:
        raise SourceLost("unplugged")

    loops = Loops(Broken(most=4))
    loops.backend.step.release()
    loops.come("front", 0).result(20)
    held = loops.come("front", 1)
    good, bad = loops.come("left", 1), loops.come("right", 1, breaks)
    loops.backend.step.release()
    held.result(20)
    wait_until(lambda: len(loops.backend.calls) == 3)
    with pytest.raises(SourceLost, match="unplugged"):
        loops.backend.step.release()
        bad.result(20)
    with pytest.raises(DeviceLost, match="gone"):
        good.result(20)
    loops.backend.step.release()
    assert loops.come("rear", 2).result(20).frame.seq == 2, "the next turn is free"
