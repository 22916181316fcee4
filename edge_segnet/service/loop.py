"""The loop: receive, skip on None, infer, measure, publish. One per camera; cameras share a backend.

It knows no pictures, no GPU, no sockets and no settings file; it can't tell a Jetson from a PC.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

from edge_segnet.core.errors import EndOfStream
from edge_segnet.core.soundness import Soundness
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import Backend, Drops, Frame, Generation, Refined, Result, Turn

READ_TIMEOUT_S: Final = 0.25
"""How long a stop may take to be seen while no frame comes."""
WAIT_S: Final = 1.0
"""Of a wait for the next turn, how much is taken at once: a slow rate is no hang."""
HOLD_S: Final = 2.0
"""Within so long a source shows more of its picture, if a network asks for that; the one before works meanwhile."""
FADE: Final = 0.9
"""By how much the slowest frame's time is forgotten with each further one."""


class ResizedSource(Protocol):
    """Gives frames at the size that was asked for last, or, until it has followed, at the size from before."""

    def read(self, timeout_s: float) -> Frame | None:
        """As ``core.types.Source``."""
        ...

    def resize(self, size: tuple[int, int]) -> None:
        """From the next ``read`` on, frames have this (width, height)."""
        ...


class Loop:
    """Segments the newest frame of one camera, again and again.

        works with _now --exchange: _next is there, its size is asked for--> waits for a frame that is good for it
              ^                                                                |            |
              |<--such a frame, or HOLD_S without one: _now is _next-----------'            |
              |<--a frame from before: _now segments it-------------------------------------'

    ``progress_ns`` (monotonic) is when the loop last finished a frame or heard that there is none: what a watchdog
    may believe. ``frame_s``: what a frame took lately at most, from its reading to its publishing.
    """

    def __init__(
        self,
        source: ResizedSource,
        generation: Generation,
        publish: Callable[[Result], None],
        telemetry: CameraTelemetry,
    ) -> None:
        self.telemetry = telemetry
        self.soundness = Soundness()
        self.progress_ns = time.monotonic_ns()
        self.frame_s = 0.0
        self._source, self._publish = source, publish
        self._lock = threading.Lock()
        """Guards ``_now`` and ``_next``; held for two assignments."""
        self._now = self._next = self._asked = generation
        """``_asked``: whose size the source has been told, at ``_asked_ns``."""
        self._asked_ns = 0
        self._ahead: Frame | None = None
        """Of another size than the one that waits for its turn: it is next."""
        self._last: Frame | None = None
        self._in_time = False
        self._drops = Drops()
        self._due_ns = 0
        """When the next frame's turn is; 0: now, as the first one's."""
        self._stopping = False
        self._news = threading.Event()
        """Rung by a stop and by an exchange."""

    def run(self) -> None:
        """Until ``stop``, or the source's end.

        Raises:
            ModelError, DeviceLost: the backend failed; the loop is over.
        """
        while not self._stopping:
            if not self._wait_for_turn():
                continue
            self._ask()
            try:
                frame, self._ahead = self._ahead or self._source.read(READ_TIMEOUT_S), None
            except EndOfStream:
                return
            self._take_next(frame)
            if frame is not None:
                self._segment(frame)
            self.progress_ns = time.monotonic_ns()

    def _segment(self, frame: Frame) -> None:
        received_ns, now = time.monotonic_ns(), self._now
        if not _suits(frame, now):
            return  # its source has not followed in time
        turn = self._turn(frame)
        frame, segmentation = turn.frame, turn.segmentation
        if not self.soundness.takes(frame, segmentation):
            self._dropped(frame)  # counted there, not as dropped
            self._go_back(now)
            return
        stages_ms = {"capture": (turn.taken_ns - frame.captured_ns) / 1e6, **segmentation.stages_ms}
        refined = Refined(segmentation)
        if now.refine is not None:
            began_ns = time.monotonic_ns()
            refined = now.refine(frame, segmentation)
            stages_ms["regions"] = (time.monotonic_ns() - began_ns) / 1e6
        result = Result(
            frame=frame,
            segmentation=replace(refined.segmentation, stages_ms=stages_ms),
            view=now.view,
            backend=now.backend.name,
            model=now.model,
            age_ms=(time.monotonic_ns() - frame.captured_ns) / 1e6,
            dropped=self._dropped(frame),
            origin=now.origin,
            regions=refined.regions,
            alarms=refined.alarms,
            flicker=refined.flicker,
        )
        self._publish(result)
        self.telemetry.observe(result)
        self.frame_s = max((time.monotonic_ns() - received_ns) / 1e9, FADE * self.frame_s)

    def _go_back(self, failed: Generation) -> None:
        """A model on trial that makes no numbers: what served before it has the next frame."""
        with self._lock:
            if failed.instead is not None and self._next is failed:
                self._next = failed.instead

    def _turn(self, frame: Frame) -> Turn:
        if self._now.turns is not None:
            return self._now.turns.segment(frame, self._newest)
        taken_ns = time.monotonic_ns()
        return Turn(frame, self._now.backend.infer([frame])[0], taken_ns)

    def _newest(self) -> Frame | None:
        """What has come since the last ``read``, which says so as well if nothing will come any more."""
        with contextlib.suppress(EndOfStream):
            frame = self._source.read(0.0)
            if frame is None or _suits(frame, self._now):
                return frame
            self._ahead = frame
        return None

    def _dropped(self, frame: Frame) -> Drops:
        """Gaps in ``seq`` so far: nothing else knows of a frame that never came here. A loop that had to wait for its
        turn skipped them; one that came too late for it lost them.
        """
        last, self._last = self._last, frame
        drops = replace(self._drops, damaged=frame.damaged)
        if last is not None:
            gap = max(0, frame.seq - last.seq - 1 - (frame.damaged - last.damaged))
            kind = "skipped" if self._in_time else "late"
            drops = replace(drops, **{kind: getattr(drops, kind) + gap})
        self._drops = drops
        return drops

    def _wait_for_turn(self) -> bool:
        """Whether it is time for a frame; otherwise there is news, or only so much was waited for."""
        rate, now_ns = self._next.rate, time.monotonic_ns()
        if rate is None:
            self._in_time = False
            return True
        if self._due_ns > now_ns:
            self._in_time = True
            left_s = (self._due_ns - now_ns) / 1e9
            if self._news.wait(min(left_s, WAIT_S)):
                self._news.clear()
                self._ask()
                self._take_next(None)
                self._due_ns = self._due_ns if self._next.rate == rate else 0
                return False
            self.progress_ns = time.monotonic_ns()
            if left_s > WAIT_S:
                return False
        else:
            self._in_time = False
        period_ns = int(1e9 / rate)
        # A turn that came late moves the schedule; it is never caught up with a burst.
        self._due_ns = (max(self._due_ns, now_ns - period_ns) if self._due_ns else now_ns) + period_ns
        return True

    def exchange(self, generation: Generation) -> None:
        """Another one from the next frame on; waits for nobody."""
        with self._lock:
            self._next = generation
        self._news.set()

    def _ask(self) -> None:
        """Have frames come at the next network's size."""
        wanted = self._next
        if wanted is not self._asked:
            self._asked, self._asked_ns = wanted, time.monotonic_ns()
            self._source.resize(wanted.backend.input_size)

    def _take_next(self, frame: Frame | None) -> None:
        """What was exchanged last, as soon as no frame is lost by it: ``frame`` is good for it, or none comes."""
        with self._lock:
            held = self._next is not self._asked or time.monotonic_ns() - self._asked_ns < HOLD_S * 1e9
            same = self._next.backend.input_size == self._now.backend.input_size
            if same or not held or (frame is not None and _suits(frame, self._next)):
                self._now = self._next

    def uses(self, backend: Backend) -> bool:
        """Whether it works, or will work, with this one."""
        with self._lock:
            made = (self._now, self._next, self._now.instead, self._next.instead)
        return any(each is not None and each.backend is backend for each in made)

    @property
    def generation(self) -> Generation:
        """What has the next frame."""
        return self._next

    def stop(self) -> None:
        """End after the frame that is under way."""
        self._stopping = True
        self._news.set()


def _suits(frame: Frame, generation: Generation) -> bool:
    return frame.image.shape[1::-1] == generation.backend.input_size
