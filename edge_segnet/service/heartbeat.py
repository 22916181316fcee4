"""What the service manager hears of the service's life: that it needs more time, is ready, and makes progress.

starting: EXTEND_TIMEOUT_USEC --every camera has answered--> ready: READY=1, then WATCHDOG=1 for progress
"""

from __future__ import annotations

import time
from typing import Final

from edge_segnet.board.notify import Notifier
from edge_segnet.core import threads
from edge_segnet.service.process import EXTEND_EVERY_S, EXTEND_S
from edge_segnet.service.state import State

START_S: Final = 600.0
"""A start that does not stir for longer hangs: a model that is loaded, a first frame. Waiting for a file stirs."""
MIN_PINGS: Final = 2.5
"""Pings in one interval of the watchdog, so that one may be late."""


class Heartbeat:
    """Beats on the main thread; nothing here waits for anybody."""

    def __init__(self, notify: Notifier, state: State) -> None:
        self._notify, self._state = notify, state
        self._extended_s = self._pinged_s = float("-inf")
        self._unit_s = notify.watchdog_s
        """What the unit calls a hang."""
        self._progress: dict[str, int] = {}

    def beat(self) -> None:
        """Tell what is new."""
        now_s = time.monotonic()
        if not self._state.ready:
            self._start(now_s)
        elif self._unit_s is not None:
            self._watch(now_s, self._unit_s)

    def _start(self, now_s: float) -> None:
        running = self._state.running
        if running and all(camera.answered for camera in running.values()):
            if self._unit_s is not None:
                self._notify.patience(max(self._unit_s, self._state.patience_s))
            self._state.ready = True
            self._notify.ready()
        elif now_s - self._extended_s > EXTEND_EVERY_S and now_s - self._state.stirred_s < START_S:
            self._extended_s = now_s
            self._notify.extend(EXTEND_S)

    def _watch(self, now_s: float, unit_s: float) -> None:
        """Slow frames on a small board are no hang; the interval follows what a frame takes."""
        patience_s = max(unit_s, self._state.patience_s)
        self._notify.patience(patience_s)
        if now_s - self._pinged_s > patience_s / MIN_PINGS and threads.all_alive():
            self._ping(now_s)

    def _ping(self, now_s: float) -> None:
        """Only when every loop has finished a frame, or heard honestly that there is none, since the last ping."""
        running = self._state.running
        progress = {name: camera.progress_ns for name, camera in running.items() if not camera.finished}
        if any(self._progress.get(name) == stamp for name, stamp in progress.items()):
            return
        self._progress, self._pinged_s = progress, now_s
        self._notify.watchdog()
