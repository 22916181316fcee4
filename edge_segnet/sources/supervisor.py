"""Keeps a camera's pictures coming: one thread captures, the newest frame wins, what is lost is opened again.

The capture thread calls into a source that may hang for ever, in a driver or in a library. So whoever reads also looks
at the clock: a call that takes too long is abandoned with its thread, a new thread closes that source (which ends the
call, or kills the process that it hangs in) and opens another.

    starting --a frame--> running <--frames differ again / the same bytes for long--> static
        |                  |   `<--something to see / nothing--> black
        |                  |--a call that does not come back, or nothing for long--> stalled --opened again--,
        |                  |--the same frame again and again--> frozen --opened again-----------------------|
        |                  |--it breaks--> lost --opened again, later and later-----------------------------|
        |                  `--a file's end--> ended        running <--a frame------------------------------'
        `--it can't be opened, not once--> missing --opened again--> running
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from edge_segnet.core import threads
from edge_segnet.core.errors import BadFrame, EdgeSegnetError, EndOfStream, UsageError
from edge_segnet.core.pace import BackOff
from edge_segnet.core.types import Fit, Frame
from edge_segnet.core.uris import without_credentials
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources.capture import Capture, at_size
from edge_segnet.sources.health import FIRST_FRAME_S, CameraStatus, Health, State, Tally
from edge_segnet.sources.live import LiveSource

BACKOFF_S: Final = 0.2
"""The first wait; each further one is twice as long, up to the camera's ``backoff_max_s``."""
HOPELESS_S: Final = 30.0
"""Wait after a source that can't work as configured."""
POLL_S: Final = 0.1
"""How late a stop, a new size or a hang may be seen."""
OPEN_LIMIT_S: Final = 5.0
"""GStreamer waits for its threads here, and a network for an answer: longer is a hang."""
FILE_LIMIT_S: Final = 60.0
"""A file on a slow disk or a network drive may think, but not for ever."""
MOST_STUCK: Final = 3
"""Threads that may hang in calls that even closing their source did not end."""
SHORTEST_PERIOD_S: Final = 0.004
"""A source that floods us must not eat the processor."""

logger = logging.getLogger(__name__)


class Supervisor:
    """One camera. ``start`` it, ``read`` it from one thread, ask for its ``status`` from any, ``close`` it.

    ``open`` makes a source of frames of a (width, height), and is called on the capture thread.
    """

    def __init__(
        self,
        open: Callable[[tuple[int, int]], LiveSource],  # noqa: A002 - what it does
        name: str,
        size: tuple[int, int],
        camera: CameraConfig,
        fit: Fit = "stretch",
    ) -> None:
        self._open, self._name, self._size, self._camera = open, name, size, camera
        self._fit = fit
        self._news = threading.Condition()
        """Guards slot, state, size and tally: the capture thread writes, the loop and the status read."""
        self._stop = threading.Event()
        self._capture = Capture()
        self._stuck: list[threads.Thread] = []
        self._slot: Frame | None = None
        self._tally = Tally()
        self._state: State = "starting"
        self._since_ns = time.monotonic_ns()
        self._message = "opening"
        self._reconnects = 0
        self._tries = BackOff(BACKOFF_S, camera.backoff_max_s, (0.5, 1.0))
        self._source_size: tuple[int, int] | None = None
        self._synthetic = (camera.source or "").lower().startswith("synthetic://")

    def start(self) -> None:
        """Begin to capture."""
        self._launch(self._capture)

    def read(self, timeout_s: float) -> Frame | None:
        """The newest frame that nobody has read yet; None when none came in time. It has the size asked for; as it came
        if what is to be seen there is not in it, because the source has not followed a resize yet.

        Raises:
            EndOfStream: a file is at its end, and all its frames were read or replaced.
        """
        frame = self._newest(time.monotonic() + timeout_s)
        return None if frame is None else at_size(frame, self._size, self._fit)

    def _newest(self, deadline: float) -> Frame | None:
        while True:
            self._look_after()
            with self._news:
                frame, self._slot = self._slot, None
                if frame is not None:
                    return frame
                if self._state == "ended":
                    raise EndOfStream(self._message)
                left_s = deadline - time.monotonic()
                if left_s <= 0.0 or self._stop.is_set():
                    return None
                self._news.wait(min(left_s, POLL_S))

    def resize(self, size: tuple[int, int]) -> None:
        """From the next ``read`` on, frames have this (width, height), if they can."""
        self._size = size

    @property
    def state(self) -> State:
        """In one word, as of now."""
        self._look_after()
        return self._state

    def status(self) -> CameraStatus:
        """How the camera is now."""
        self._look_after()
        with self._news:
            return self._status()

    def stop(self) -> None:
        """Tell the capture thread to end, without waiting for it."""
        self._stop.set()
        with self._news:
            self._news.notify_all()

    def close(self, timeout_s: float = 1.0) -> None:
        """End the capture thread and release the source; may be called twice. A source that hangs is left behind."""
        self.stop()
        capture = self._capture
        if capture.thread is None:
            return
        capture.thread.join(timeout_s)
        if capture.thread.is_alive() and capture.source is not None:
            # It hangs: closing from here may free it, or may hang as well.
            threads.start(capture.source.close, f"close {self._name}", again=False)
            capture.thread.join(timeout_s)

    def _look_after(self) -> None:
        """Abandon a capture thread that does not come back from a call."""
        with self._news:
            hung = self._capture
            if not hung.overdue() or self._stop.is_set() or hung.thread is None:
                return
            self._stuck = [thread for thread in self._stuck if thread.is_alive()]
            fresh = Capture(hung.source) if len(self._stuck) < MOST_STUCK else None
            if fresh is not None:
                self._stuck.append(hung.thread)
                self._capture = fresh
        if fresh is None:
            self._set("stalled", "the source does not answer, and earlier calls to it hang as well")
        else:
            self._set("stalled", "the source does not answer; it is opened again")
            self._launch(fresh)

    def _launch(self, capture: Capture) -> None:
        capture.thread = threads.start(lambda: self._run(capture), f"capture {self._name}")

    def _run(self, capture: Capture) -> None:
        capture.release(self._name)
        while self._is_current(capture):
            began = time.monotonic()
            pause_s = self._serve(capture)
            if pause_s is None:
                return
            # Counted from the start of the try: one that took long is followed by the next at once.
            self._stop.wait(max(0.0, began + pause_s - time.monotonic()))

    def _is_current(self, capture: Capture) -> bool:
        return capture is self._capture and not self._stop.is_set()

    def _serve(self, capture: Capture) -> float | None:
        """Open the source and take its frames until something ends that; seconds to the next try, None: none."""
        began, captured = time.monotonic(), self._tally.captured
        try:
            capture.enter(OPEN_LIMIT_S)
            capture.source = self._open(self._size)
            capture.leave()
            if self._is_current(capture):
                self._take_frames(capture, capture.source)
        except EndOfStream as end:
            self._set("ended", end.message, capture)
            return None
        except UsageError as error:
            self._set("missing", str(error), capture)
            return HOPELESS_S
        except EdgeSegnetError as error:
            self._set(self._absent(), str(error), capture)
        except Exception as error:  # noqa: BLE001 - one camera must not take the others down
            logger.debug("camera %s: %s", self._name, without_credentials(traceback.format_exc()))
            self._set(self._absent(), f"unexpected {type(error).__name__}: {error}", capture)
        finally:
            capture.release(self._name)
        ran_well = self._tally.captured > captured and time.monotonic() - began > self._camera.backoff_max_s
        if ran_well:
            self._tries.worked()
        return self._tries.failed()

    def _take_frames(self, capture: Capture, source: LiveSource) -> None:
        camera = self._camera
        # A session takes four answers, and may need each.
        first_s = max(FIRST_FRAME_S, 4.0 * camera.connect_s)
        health = Health(camera.stall_after_s, camera.static_after_s, live=source.live, first_s=first_s)
        self._tally.reopened()
        size = self._size
        while self._is_current(capture):
            began = time.monotonic()
            capture.enter(POLL_S + health.patience_s if source.live else FILE_LIMIT_S)
            try:
                if size != self._size:
                    size = self._size
                    source.resize(size)
                frame = source.read(POLL_S)
                capture.leave()
                self._tally.note_damaged(source.damaged)
                health.note_damaged(source.damaged)
                if frame is not None and health.is_new(frame):
                    self._judge(capture, frame, health)
            except BadFrame as error:
                self._tally.bad += 1
                health.note_bad(str(error))
            if fault := health.fault():
                self._set(*fault, capture)
                return
            if words := health.healing():
                self._set("stalled", words, capture)
            time.sleep(max(0.0, began + SHORTEST_PERIOD_S - time.monotonic()))

    def _judge(self, capture: Capture, frame: Frame, health: Health) -> None:
        """A black frame is no picture: it is counted, and not shown as good."""
        if health.shows(frame):
            self._publish(capture, frame, health)
            return
        self._tally.bad += 1
        if self._camera.on_damage == "flag":
            self._publish(capture, replace(frame, whole=False), health)
        if black_s := health.black_s():
            self._set("black", f"there is nothing to see for {black_s:.1f} s", capture)

    def _publish(self, capture: Capture, frame: Frame, health: Health) -> None:
        with self._news:
            if capture is not self._capture:
                return
            # Damaged pictures have a number each, though nobody sees them.
            number, damaged = self._tally.number(frame.seq) + self._tally.damaged, self._tally.damaged + self._tally.bad
            self._slot = replace(frame, seq=number, camera=self._name, damaged=damaged)
            self._source_size, self._synthetic = frame.source_size, frame.synthetic
            self._news.notify_all()
        width, height = frame.source_size
        if health.black_s():
            return
        if same_s := health.static_s():
            self._set("static", f"the same picture for {same_s:.0f} s", capture)
        else:
            self._set("running", f"{width}x{height}", capture)

    def _absent(self) -> State:
        return "lost" if self._tally.captured else "missing"

    def _set(self, state: State, message: str, capture: Capture | None = None) -> None:
        with self._news:
            if self._stop.is_set() or (capture is not None and capture is not self._capture):
                return
            self._message = " ".join(without_credentials(message).split())
            before, self._state = self._state, state
            if state == before:
                return
            self._since_ns = time.monotonic_ns()
            self._reconnects += state == "running" and before in ("lost", "stalled", "frozen")
            message = self._message
            self._news.notify_all()
        well = state in ("running", "ended")
        logger.log(logging.INFO if well else logging.WARNING, "camera %s: %s: %s", self._name, state, message)

    def _status(self) -> CameraStatus:
        comes = self._state in ("running", "static")
        return CameraStatus(
            state=self._state,
            since_ns=self._since_ns,
            message=self._message,
            reconnects=self._reconnects,
            captured=self._tally.captured,
            damaged=self._tally.damaged,
            bad=self._tally.bad,
            frames_per_second=self._tally.frames_per_second() if comes else 0.0,
            source_size=self._source_size,
            synthetic=self._synthetic,
        )
