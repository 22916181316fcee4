"""Cameras that share a network: whose turn it is, and whose frames go together.

No thread is its own: of the loops that wait, the first one takes the turn, with as many of the others' frames as the
network takes at once; the others find their results done. Who had to wait sends the newest frame of then, not the one
that it came with.

    a loop: waits --it is first, and a place is free--> gathers --full, nobody due, or time is up--> infers, for all
                 `--another one took its frame-------------------------------------------------------> has its result

Who has inferred hands over before it goes on: its own work, on its result, would keep the interpreter's lock from the
next one for up to 5 ms (``sys.getswitchinterval``), and the network would stand still meanwhile.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge_segnet.core.types import Backend, Frame, Segmentation, Turn

BATCH_WAIT_S = 0.002
"""How long a turn is held for a camera that is due."""
HANDOVER_S = 0.005
"""How long the next loop is waited for, should it be slow to begin."""
KEPT = 0.8
"""Of the time between a camera's frames, how much is as it was; the rest follows the last one."""


@dataclass(eq=False)
class _Place:
    """One loop's wait: guarded by ``Turns._news`` until it is taken, then its taker's until ``over``."""

    frame: Frame
    newest: Callable[[], Frame | None]
    order: tuple[int, float]
    waited: bool = False
    over: bool = False
    taken_ns: int = 0
    found: Segmentation | None = None
    error: Exception | None = None

    def take(self) -> None:
        """The frame that goes: the newest of its size, if this one has waited."""
        later = self.newest() if self.waited else None
        if later is not None and later.image.shape == self.frame.image.shape:
            self.frame = later
        self.taken_ns = time.monotonic_ns()

    def outcome(self) -> Turn:
        """What came of it; raises what went wrong."""
        if self.error is not None:
            raise self.error
        assert self.found is not None
        return Turn(self.frame, self.found, self.taken_ns)


@dataclass
class _Rhythm:
    """When a camera comes, by when it came; no ``period_s``: it came once."""

    came_s: float
    period_s: float = 0.0

    def note(self, now_s: float) -> None:
        """It is here."""
        gap_s = now_s - self.came_s
        self.period_s = KEPT * self.period_s + (1.0 - KEPT) * gap_s if self.period_s else gap_s
        self.came_s = now_s


class Turns:
    """The order in which loops have a backend: first come, first served, and those that came during the same turn in
    an order that is drawn, so that no camera is the last of them every time.
    """

    def __init__(self, backend: Backend, wait_s: float = BATCH_WAIT_S) -> None:
        self._backend, self._wait_s = backend, wait_s
        self._most = backend.max_batch
        self._places = getattr(backend, "depth", 1)
        """Turns that may be under way at once."""
        lock = threading.RLock()
        self._news, self._begun = threading.Condition(lock), threading.Condition(lock)
        """Somebody came, or a turn is over; and: a turn has begun, for who hands over."""
        self._waiting: list[_Place] = []
        self._under_way, self._turns = 0, 0
        self._gathering = False
        self._rhythms: dict[str, _Rhythm] = {}

    def segment(self, frame: Frame, newest: Callable[[], Frame | None]) -> Turn:
        """``frame``, or the one that ``newest`` gives (at once, on any thread) if others were first.

        Raises:
            ModelError, DeviceLost: the backend failed.
        """
        with self._news:
            mine = _Place(frame, newest, (self._turns, random.random()))
            self._note(frame.camera)
            self._waiting.append(mine)
            self._news.notify_all()
            mine.waited = not self._may_begin(mine)
            self._news.wait_for(lambda: mine.over or self._may_begin(mine))
            if mine.over:
                return mine.outcome()
            self._under_way += 1
            together = self._gather(mine)
            self._begun.notify_all()
        try:
            self._infer(together)
        finally:
            with self._news:
                self._under_way -= 1
                self._turns += 1
                for place in together:
                    place.over = True
                self._news.notify_all()
                self._begun.wait_for(lambda: self._under_way >= self._places or not self._waiting, HANDOVER_S)
        return mine.outcome()

    def _may_begin(self, mine: _Place) -> bool:
        if mine not in self._waiting or self._gathering or self._under_way >= self._places:
            return False
        return mine is min(self._waiting, key=_order)

    def _gather(self, mine: _Place) -> list[_Place]:
        """The places whose frames go now. The lock is let go of while a camera is waited for."""
        self._gathering = True
        until_s = time.monotonic() + self._wait_s
        try:
            while len(self._waiting) < self._most and self._is_due(until_s):
                if not self._news.wait(max(0.0, until_s - time.monotonic())):
                    break
        finally:
            self._gathering = False
            self._waiting.remove(mine)
        others = sorted(self._waiting, key=_order)[: self._most - 1]
        for place in others:
            self._waiting.remove(place)
            place.waited = True
        return [mine, *others]

    def _is_due(self, until_s: float) -> bool:
        """Whether a camera that is not here comes by then, as far as its rhythm tells; one that is late is not waited
        for.
        """
        here = {place.frame.camera for place in self._waiting}
        now_s = time.monotonic()
        away = (rhythm for camera, rhythm in self._rhythms.items() if camera not in here and rhythm.period_s)
        return any(now_s - self._wait_s <= rhythm.came_s + rhythm.period_s <= until_s for rhythm in away)

    def _note(self, camera: str) -> None:
        if self._most == 1:
            return
        now_s = time.monotonic()
        if camera in self._rhythms:
            self._rhythms[camera].note(now_s)
        else:
            self._rhythms[camera] = _Rhythm(now_s)

    def _infer(self, together: list[_Place]) -> None:
        """One camera's fault is its own; the network's is everybody's."""
        good = [place for place in together if _taken(place)]
        if not good:
            return
        try:
            found = self._backend.infer([place.frame for place in good])
        except Exception as error:  # noqa: BLE001 - each loop hears of it, as if it had called by itself
            for place in good:
                place.error = error
        else:
            for place, segmentation in zip(good, found, strict=True):
                place.found = segmentation


def _taken(place: _Place) -> bool:
    try:
        place.take()
    except Exception as error:  # noqa: BLE001 - raised where that camera's loop waits
        place.error = error
        return False
    return True


def _order(place: _Place) -> tuple[int, float]:
    return place.order
