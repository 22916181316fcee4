"""Says how the service is, in words: one line for systemd, log lines when something begins to fail or works again.

On a thread of its own, since sinks are asked and log lines are written here: neither may hold the main thread up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final

from edge_segnet.board.notify import Notifier
from edge_segnet.core import threads
from edge_segnet.core.documents import SinkDocument
from edge_segnet.service.recovery import Recovery
from edge_segnet.service.state import State

logger = logging.getLogger(__name__)
LOOK_S: Final = 0.5
"""How late a part's fault may be shown, where nothing rings."""
FIRST_LOOKS_S, STARTS_S = 0.05, 30.0
"""While the service starts, which is over after so long: a model may be waited for for days."""


class Monitor:
    """Runs from ``start`` to ``stop``."""

    def __init__(self, state: State, notify: Notifier, record: Callable[[], bool]) -> None:
        """``record`` has the flight recorder write; False: there is none."""
        self._state, self._notify, self._write = state, notify, record
        self._record_asked = self._stopping = self._said_ready = False
        self._degraded: dict[str, str] = {}
        self._recovery = Recovery()
        self._news = threading.Event()
        self._thread = threads.Thread(self._run, "monitor", vital=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def record(self) -> None:
        """Have the flight recorder write what it holds."""
        self._record_asked = True
        self._news.set()

    def stop(self) -> None:
        """End; waits for nobody."""
        self._stopping = True
        self._news.set()

    def _run(self) -> None:
        while not self._stopping:
            if self._record_asked:
                self._record()
            self._look()
            starts = not self._said_ready and time.monotonic_ns() - self._state.started_ns < STARTS_S * 1e9
            self._news.wait(FIRST_LOOKS_S if starts else LOOK_S)
            self._news.clear()

    def _record(self) -> None:
        self._record_asked = False
        if not self._write():
            logger.warning("SIGUSR1: nothing records; the settings have no section recording")

    def _look(self) -> None:
        told = self._state.look()
        for camera in self._state.running.values():
            camera.look()
        self._recovery.look(self._state.running, self._state.recover)
        if self._state.ready:
            if not self._said_ready:
                self._said_ready = True
                took_s = (time.monotonic_ns() - self._state.started_ns) / 1e9
                logger.info("ready after %.2f s%s", took_s, _addresses(told), extra={"event": "ready"})
            self._tell_degraded(told)
        self._notify.status(self._state.line())

    def _tell_degraded(self, told: Mapping[str, SinkDocument]) -> None:
        """What begins to fail is said by who notices; here, that the whole is not whole, and when it is again."""
        now = self._state.degraded
        if now and now.keys() != self._degraded.keys():
            parts = "; ".join(f"{name}: {message}" for name, message in now.items())
            logger.warning("degraded: %s", parts, extra={"event": "degraded"})
        elif self._degraded and not now:
            logger.info("no part fails any more%s", _addresses(told), extra={"event": "whole"})
        self._degraded = now


def _addresses(told: Mapping[str, SinkDocument]) -> str:
    """Where people find those sinks that have an address, and have it indeed."""
    found = {name: getattr(sink, "url", None) for name, sink in told.items() if sink.error is None}
    return "".join(f"; {'dashboard' if name == 'http' else name}: {url}" for name, url in found.items() if url)
