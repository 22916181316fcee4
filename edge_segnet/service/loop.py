"""The loop: receive, skip on None, infer, measure, publish. One per camera; cameras share a backend.

It knows no pictures, no GPU, no sockets and no settings file; it can't tell a Jetson from a PC.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from edge_segnet.core.errors import EndOfStream
from edge_segnet.core.soundness import Soundness
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import Drops, Frame, Generation, Origin, Refined, Result, Source

READ_TIMEOUT_S: Final = 0.25
"""How long a stop may take to be seen while no frame comes."""


class Loop:
    """Segments the newest frame of one camera, again and again.

    ``progress_ns`` (monotonic) is when the loop last finished a frame or heard that there is none: what a watchdog
    may believe. ``rate``: frames per second at most, None: every new frame. ``origin``: of the results.
    """

    def __init__(
        self,
        source: Source,
        generation: Generation,
        publish: Callable[[Result], None],
        telemetry: CameraTelemetry,
        rate: float | None = None,
        origin: Origin | None = None,
    ) -> None:
        self.rate, self.origin = rate, origin or Origin()
        self.telemetry = telemetry
        self.soundness = Soundness()
        self.progress_ns = time.monotonic_ns()
        self._source, self._publish = source, publish
        self._now, self._next = generation, generation
        self._last: Frame | None = None
        self._in_time = False
        self._drops = Drops()
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
                    self._now = self._next
                    self._segment(frame)
            self.progress_ns = time.monotonic_ns()

    def _segment(self, frame: Frame) -> None:
        now = self._now
        if frame.image.shape[1::-1] != now.backend.input_size:
            return  # captured before the network changed its size
        received_ns = time.monotonic_ns()
        segmentation = now.backend.infer(frame)
        if not self.soundness.takes(frame, segmentation):
            self._dropped(frame)  # counted there, not as dropped
            return
        stages_ms = {"capture": (received_ns - frame.captured_ns) / 1e6, **segmentation.stages_ms}
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
            origin=self.origin,
            regions=refined.regions,
            alarms=refined.alarms,
            flicker=refined.flicker,
        )
        self._publish(result)
        self.telemetry.observe(result)

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

    def _wait_for_turn(self) -> None:
        self._in_time = False
        if self.rate is None:
            return
        now_ns = time.monotonic_ns()
        if self._due_ns > now_ns:
            self._in_time = True
            self._stopping.wait((self._due_ns - now_ns) / 1e9)
        period_ns = int(1e9 / self.rate)
        # A turn that came late moves the schedule; it is never caught up with a burst.
        self._due_ns = max(self._due_ns, now_ns - period_ns) + period_ns

    def swap(self, generation: Generation) -> None:
        """Another one from the next frame on; when this returns, the loop no longer uses the old one."""
        self._next = generation  # the next frame takes it, should the loop be quicker than this thread
        with self._turn:
            self._now = self._next

    def stop(self) -> None:
        """End after the frame that is under way."""
        self._stopping.set()
