"""The loop: receive, skip on None, infer, measure, publish. One per camera; cameras share a backend.

It knows no pictures, no GPU, no sockets and no settings file; it can't tell a Jetson from a PC.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from edge_segnet.core.errors import EndOfStream
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import Backend, Frame, Refined, Result, Segmentation, Source

READ_TIMEOUT_S: Final = 0.25
"""How long a stop may take to be seen while no frame comes."""
Refine = Callable[[Frame, Segmentation], Refined]
"""What a segmentation means; runs in the loop, frame by frame."""


@dataclass(frozen=True)
class Pace:
    """``rate``: frames per second at most, None: every new frame. Results older than ``stale_after_ms`` are stale."""

    rate: float | None = None
    stale_after_ms: float = 1000.0


class Loop:
    """Segments the newest frame of one camera, again and again.

    ``progress_ns`` (monotonic) is when the loop last finished a frame or heard that there is none: what a watchdog
    may believe.
    """

    def __init__(
        self,
        source: Source,
        backend: Backend,
        model: str,
        publish: Callable[[Result], None],
        pace: Pace,
        telemetry: CameraTelemetry,
        refine: Refine | None = None,
    ) -> None:
        self.pace = pace
        self.telemetry = telemetry
        self.progress_ns = time.monotonic_ns()
        self._source, self._publish = source, publish
        self._backend, self._model, self._refine = backend, model, refine
        self._next: tuple[Backend, str, Refine | None] | None = None
        self._first_seq: int | None = None
        self._due_ns = 0
        self._stopping = threading.Event()
        self._turn = threading.Lock()

    def run(self) -> None:
        """Until ``stop``, or the source's end.

        Raises:
            ModelError, DeviceLost: the backend failed; the loop is over.
        """
        while not self._stopping.is_set():
            self._wait_for_turn()
            try:
                frame = self._source.read(READ_TIMEOUT_S)
            except EndOfStream:
                return
            if frame is not None:
                with self._turn:
                    self._take_next()
                    self._segment(frame)
            self.progress_ns = time.monotonic_ns()

    def _segment(self, frame: Frame) -> None:
        if frame.image.shape[1::-1] != self._backend.input_size:
            return  # captured before the network changed its size
        received_ns = time.monotonic_ns()
        segmentation = self._backend.infer(frame)
        stages_ms = {"capture": (received_ns - frame.captured_ns) / 1e6, **segmentation.stages_ms}
        refined = Refined(segmentation)
        if self._refine is not None:
            began_ns = time.monotonic_ns()
            refined = self._refine(frame, segmentation)
            stages_ms["regions"] = (time.monotonic_ns() - began_ns) / 1e6
        age_ms = (time.monotonic_ns() - frame.captured_ns) / 1e6
        result = Result(
            frame=frame,
            segmentation=replace(refined.segmentation, stages_ms=stages_ms),
            backend=self._backend.name,
            model=self._model,
            age_ms=age_ms,
            dropped=self._dropped(frame.seq),
            stale=age_ms > self.pace.stale_after_ms,
            regions=refined.regions,
            alarms=refined.alarms,
            flicker=refined.flicker,
        )
        self._publish(result)
        self.telemetry.observe(result)

    def _dropped(self, seq: int) -> int:
        """Gaps in ``seq`` so far: nothing else knows of a frame that never came here."""
        if self._first_seq is None:
            self._first_seq = seq
        return seq - self._first_seq - self.telemetry.frames

    def _wait_for_turn(self) -> None:
        if self.pace.rate is None:
            return
        now_ns = time.monotonic_ns()
        if self._due_ns > now_ns:
            self._stopping.wait((self._due_ns - now_ns) / 1e9)
        period_ns = int(1e9 / self.pace.rate)
        # A turn that came late moves the schedule; it is never caught up with a burst.
        self._due_ns = max(self._due_ns, now_ns - period_ns) + period_ns

    def swap(self, backend: Backend, model: str, refine: Refine | None = None) -> None:
        """Another backend from the next frame on; when this returns, the loop no longer uses the old one."""
        self._next = backend, model, refine  # the next frame takes it, should the loop be quicker than this thread
        with self._turn:
            self._take_next()

    def _take_next(self) -> None:
        if self._next is not None:
            (self._backend, self._model, self._refine), self._next = self._next, None

    def stop(self) -> None:
        """End after the frame that is under way."""
        self._stopping.set()
