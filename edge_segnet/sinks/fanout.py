"""Hands every result to every sink, without ever waiting for one: a thread and one place per sink and camera."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

from edge_segnet.core import threads
from edge_segnet.core.documents import SinkDocument
from edge_segnet.core.pace import Deadline
from edge_segnet.core.types import Result, Sink

logger = logging.getLogger(__name__)
CLOSE_TIMEOUT_S: Final = 1.0
"""For all sinks together; a sink that hangs is left behind, its thread is a daemon."""


@runtime_checkable
class StartedSink(Sink, Protocol):
    """A sink that does nothing before ``start``, so that another can still have its place."""

    def start(self) -> None: ...


class Outlet:
    """One sink and its thread.

        made --begin--> its predecessor is closed --> the sink is started --> open --stop--> closed

    All that a sink does happens here: what it does wrong, or how long it takes, is no one else's concern.
    """

    def __init__(self, name: str, sink: Sink, after: Outlet | None = None, *, started: bool = False) -> None:
        """``after``: who has the sink's place, a port or a file, until it is closed. ``started``: it was already."""
        self.name, self.sink = name, sink
        self._after, self._started = after, started or not isinstance(sink, StartedSink)
        self._slots: dict[str, Result] = {}
        self._changed = threading.Condition()
        """Guards ``_slots``, ``_begun`` and ``_stopping``."""
        self._begun = self._stopping = False
        self._published = self._dropped = self._failed = 0
        self._last_error: str | None = None
        self._untold: str | None = None
        self._thread = threads.Thread(self._run, f"sink-{name}")

    def start(self) -> None:
        """Have the thread, which waits for ``begin``; raises RuntimeError where the system has none left."""
        self._thread.start()

    def begin(self) -> None:
        """Take the place, and results; waits for nobody."""
        with self._changed:
            self._begun = True
            self._changed.notify_all()

    def offer(self, result: Result) -> None:
        """Leave a result; one that nobody took yet goes."""
        with self._changed:
            self._dropped += result.frame.camera in self._slots
            self._slots[result.frame.camera] = result
            self._changed.notify_all()

    def _run(self) -> None:
        with self._changed:
            while not (self._begun or self._stopping):
                self._changed.wait()
        if self._begun:
            self._take_place()
            while (results := self._taken()) is not None:
                for result in results:
                    self._publish(result)
        self._close()

    def _take_place(self) -> None:
        if self._after is not None:
            self._after.join(CLOSE_TIMEOUT_S)
            self._after = None
        if not self._started and isinstance(self.sink, StartedSink):
            self.sink.start()
        self._started = True

    def _taken(self) -> list[Result] | None:
        """What has come; None: the end has."""
        with self._changed:
            while not self._slots and not self._stopping:
                self._changed.wait()
            if self._stopping:
                return None
            results, self._slots = list(self._slots.values()), {}
            return results

    def _publish(self, result: Result) -> None:
        try:
            self.sink.publish(result)
        except Exception as error:  # noqa: BLE001 - whatever a sink does wrong stays here
            self._failed += 1
            self._last_error = " ".join(str(error).split()) or type(error).__name__
            logger.warning("%s: a result could not be published (%s)", self.name, self._last_error)
        else:
            self._published += 1

    def _close(self) -> None:
        try:
            self.sink.close()
        except Exception as error:  # noqa: BLE001 - the others still want to be closed
            logger.warning("%s: could not be closed (%s)", self.name, error)

    def status(self) -> SinkDocument:
        """What the sink says, with our own counts; a sink that fails to tell is a failed one."""
        try:
            told = self._told(self.sink.status())
        except Exception as error:  # noqa: BLE001 - a sink's fault is not the service's
            why = threads.told(error)
            if why != self._untold:
                logger.error("%s: its status can't be had: %s", self.name, why, extra={"event": "sink-status"})
            self._untold = why
            return self._told({"state": "failed", "error": f"can't tell how it is: {why}"})
        self._untold = None
        return told if self._started else told.model_copy(update={"state": "starting"})

    def _told(self, told: Mapping[str, Any]) -> SinkDocument:
        usual = {"state": "running", "error": None, "queue": 0}
        own = {"published": self._published, "failed": self._failed, "last_error": self._last_error}
        # What it was too slow to take, and what it took and could not pass on.
        dropped = self._dropped + int(told.get("dropped", 0))
        return SinkDocument.model_validate({**usual, **own, **told, "dropped": dropped})

    def stop(self) -> None:
        """Close the sink, on its thread; waits for nobody."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def discard(self) -> None:
        """Close a sink that never got to work; also one without a thread."""
        if self._thread.started:
            self.stop()
        else:
            self._close()

    def join(self, timeout_s: float) -> None:
        """Wait for that."""
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.warning("%s: does not close, and is left behind", self.name)


class Fanout:
    """A sink made of sinks; newest result wins, what a sink could not take is counted as its own drop."""

    def __init__(self, sinks: Mapping[str, Sink]) -> None:
        self.outlets: Mapping[str, Outlet] = {name: Outlet(name, sink, started=True) for name, sink in sinks.items()}
        """Exchanged as a whole."""
        for outlet in self.outlets.values():
            outlet.start()
            outlet.begin()

    def publish(self, result: Result) -> None:
        """Leave the result for every sink; microseconds, whatever the sinks do."""
        for outlet in self.outlets.values():
            outlet.offer(result)

    def status(self) -> dict[str, SinkDocument]:
        """Name -> what the sink says, with ``published``, ``dropped`` and ``last_error``."""
        return {name: outlet.status() for name, outlet in self.outlets.items()}

    def close(self, timeout_s: float = CLOSE_TIMEOUT_S) -> None:
        """Close all sinks, side by side."""
        close(self.outlets.values(), timeout_s)


def close(outlets: Iterable[Outlet], timeout_s: float) -> None:
    """Close them side by side; what does not is left behind."""
    deadline, closing = Deadline(timeout_s), tuple(outlets)
    for outlet in closing:
        outlet.stop()
    for outlet in closing:
        outlet.join(deadline.left_s)
