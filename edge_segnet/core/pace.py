"""Time: rates that are kept on average, and waits that can be ended early."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from typing import Final

LATE: Final = 1.0
"""Periods that a late result may be late and still keep the schedule; more is never caught up with a burst."""


class RateLimiter:
    """Says of each result whether it is its camera's turn."""

    def __init__(self, rate: float | None) -> None:
        """``rate``: results per second and camera at most; None: all."""
        self._period_s = 0.0 if rate is None else 1.0 / rate
        self._due_s: dict[str, float] = {}

    def mine(self, camera: str, now_s: float | None = None) -> bool:
        """Whether to take this result; ``now_s`` is on the monotonic clock."""
        if self._period_s == 0.0:
            return True
        now_s = time.monotonic() if now_s is None else now_s
        due_s = self._due_s.get(camera, now_s)
        if now_s < due_s:
            return False
        self._due_s[camera] = max(due_s, now_s - LATE * self._period_s) + self._period_s
        return True


class Waker:
    """Ends a wait early, from any thread."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._lock = threading.Lock()

    def ring(self) -> None:
        """Does nothing after ``close``: the number may then be another file's."""
        with self._lock:
            if self.fd >= 0:
                os.eventfd_write(self.fd, 1)

    def heard(self) -> None:
        """Be silent again."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.fd)

    def wait(self, seconds: float) -> None:
        """Until it rings."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if poll.poll(1e3 * seconds):
            self.heard()

    def close(self) -> None:
        """Release it."""
        with self._lock:
            os.close(self.fd)
            self.fd = -1
