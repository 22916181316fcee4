"""A wait that can be ended early."""

from __future__ import annotations

import contextlib
import os
import select
import threading


class Bell:
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
