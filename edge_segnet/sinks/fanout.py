"""Hands every result to every sink, without ever waiting for one: a thread and one place per sink and camera."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, Final

from edge_segnet.core import threads
from edge_segnet.core.documents import SinkDocument
from edge_segnet.core.types import Result, Sink

logger = logging.getLogger(__name__)
CLOSE_TIMEOUT_S: Final = 1.0
"""For all sinks together; a sink that hangs is left behind, its thread is a daemon."""


class Fanout:
    """A sink made of sinks; newest result wins, what a sink could not take is counted as its own drop."""

    def __init__(self, sinks: Mapping[str, Sink]) -> None:
        self._outlets = {name: _Outlet(name, sink) for name, sink in sinks.items()}

    def publish(self, result: Result) -> None:
        """Leave the result for every sink; microseconds, whatever the sinks do."""
        for outlet in tuple(self._outlets.values()):
            outlet.offer(result)

    def status(self) -> dict[str, SinkDocument]:
        """Name -> what the sink says, with ``published``, ``dropped`` and ``last_error``."""
        return {name: outlet.status() for name, outlet in tuple(self._outlets.items())}

    def replace(self, name: str, sink: Sink | None) -> None:
        """Put another sink in the place of ``name`` (None: nothing), and close the old one first."""
        old = self._outlets.get(name)
        self._outlets = {key: outlet for key, outlet in self._outlets.items() if key != name}
        if old is not None:
            old.stop()
            old.join(CLOSE_TIMEOUT_S)
        if sink is not None:
            self._outlets = {**self._outlets, name: _Outlet(name, sink)}

    def close(self) -> None:
        """Close all sinks, side by side."""
        deadline = time.monotonic() + CLOSE_TIMEOUT_S
        for outlet in self._outlets.values():
            outlet.stop()
        for outlet in self._outlets.values():
            outlet.join(max(0.0, deadline - time.monotonic()))


class _Outlet:
    def __init__(self, name: str, sink: Sink) -> None:
        self._name, self._sink = name, sink
        self._slots: dict[str, Result] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._published = self._dropped = self._failed = 0
        self._last_error: str | None = None
        self._thread = threads.Thread(self._run, f"sink-{name}")
        self._thread.start()

    def offer(self, result: Result) -> None:
        with self._changed:
            self._dropped += result.frame.camera in self._slots
            self._slots[result.frame.camera] = result
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._slots and not self._stopping:
                    self._changed.wait()
                if self._stopping:
                    break
                results, self._slots = list(self._slots.values()), {}
            for result in results:
                self._publish(result)
        self._close()

    def _publish(self, result: Result) -> None:
        try:
            self._sink.publish(result)
        except Exception as error:  # noqa: BLE001 - whatever a sink does wrong stays here
            self._failed += 1
            self._last_error = " ".join(str(error).split()) or type(error).__name__
            logger.warning("%s: a result could not be published (%s)", self._name, self._last_error)
        else:
            self._published += 1

    def _close(self) -> None:
        try:
            self._sink.close()
        except Exception as error:  # noqa: BLE001 - the others still want to be closed
            logger.warning("%s: could not be closed (%s)", self._name, error)

    def status(self) -> SinkDocument:
        try:
            return self._told(self._sink.status())
        except Exception as error:  # noqa: BLE001 - the others still want to be told
            return self._told({"state": "failed", "error": f"can't tell how it is: {threads.told(error)}"})

    def _told(self, told: Mapping[str, Any]) -> SinkDocument:
        usual = {"state": "running", "error": None, "queue": 0}
        own = {"published": self._published, "failed": self._failed, "last_error": self._last_error}
        # What it was too slow to take, and what it took and could not pass on.
        dropped = self._dropped + int(told.get("dropped", 0))
        return SinkDocument.model_validate({**usual, **own, **told, "dropped": dropped})

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.warning("%s: does not close, and is left behind", self._name)
