"""The thread between the loop and the disk. What it holds is the queue, and in the mode ``ring`` the flight recorder.

    put (any thread, never waits) ─► held in memory ─► this thread ─► Folder

Continuous: everything is written soon, and only waits while the disk is slow or full. Ring: everything waits, until it
is older than ``seconds`` and goes, or a trigger comes and it is written, with what follows for ``after_s``.

    ring: waiting --trigger--> incident --``after_s`` without another trigger, and all is written--> waiting
    both: recording --the disk takes nothing--> failed --a look every ``RETRY_S`` finds room--> recording
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from edge_segnet.core import threads
from edge_segnet.sinks.files.retention import MB
from edge_segnet.sinks.messages import Message
from edge_segnet.sinks.recording.folder import Folder
from edge_segnet.sinks.recording.mcap_file import CHUNK
from edge_segnet.sinks.recording.settings import RecordingConfig
from edge_segnet.sinks.recording.spec import RecorderStatus

logger = logging.getLogger(__name__)
TURN_S: Final = 0.25
"""At least so often the disk is looked at, also when no frame comes."""
RETRY_S: Final = 2.0
"""Between two looks at a disk that had no room."""
BATCH: Final = 64
"""Messages between two looks at the disk's room."""
OVERHEAD: Final = 200
"""Bytes of a held message beside its data."""


class Recorder:
    """Runs from ``start`` to ``close``."""

    def __init__(self, folder: Folder, config: RecordingConfig, collect: Callable[[], None]) -> None:
        """``collect`` is called on the recorder's thread a few times a second: it may ``put`` and ``trigger``."""
        self._folder, self._config, self._collect = folder, config, collect
        self._held: deque[tuple[float, Message]] = deque()
        self._held_bytes = 0
        self._loose: list[tuple[float, Message]] = []
        self._changed = threading.Condition()
        """Guards the queue, its bytes and the triggers: filled by others, emptied by the recorder's thread."""
        self._closing = False
        self._incident = False
        self._until_s = 0.0
        self._label = ""
        self._retry_s = 0.0
        self.error: str | None = None
        self.written = self.dropped = self.triggers = 0
        self._thread = threads.Thread(self._run, "recording")

    def start(self) -> None:
        """Begin; files that a killed process left are completed first."""
        self._thread.start()

    def put(self, message: Message) -> None:
        """Leave a message. Where memory ends the oldest goes, but for an incident that waits for room on the disk."""
        size = len(message.data) + OVERHEAD
        with self._changed:
            while self._held and self._held_bytes + size > self._config.memory_mb * MB:
                if self._incident and self.error is not None:
                    self.dropped += 1  # what happened is worth more than what comes
                    return
                self._drop_oldest()
                self.dropped += not self._waits
            self._held.append((time.monotonic(), message))
            self._held_bytes += size
            if self._plenty:
                self._changed.notify()

    def trigger(self, label: str) -> None:
        """Write what is held and what follows; while it is being written: for longer."""
        with self._changed:
            if not self._incident:
                self._incident, self._label = True, label
            self._until_s = time.monotonic() + self._config.after_s
            self.triggers += 1
            self._changed.notify()

    @property
    def _waits(self) -> bool:
        """Whether what comes is only held: a flight recorder that nobody has asked."""
        return self._config.mode == "ring" and not self._incident

    @property
    def _plenty(self) -> bool:
        """Whether there is a chunk to write; until then a few writes a second are cheaper than many."""
        return self._held_bytes > CHUNK and not self._waits and time.monotonic() >= self._retry_s

    def _drop_oldest(self) -> None:
        _, message = self._held.popleft()
        self._held_bytes -= len(message.data) + OVERHEAD

    def _run(self) -> None:
        self._folder.repair()
        while not self._closing:
            try:
                self._collect()
            except Exception as error:  # noqa: BLE001 - recording goes on without what could not be had
                logger.warning("recording: %s", error)
            with self._changed:
                if not self._closing and not self._plenty:
                    self._changed.wait(TURN_S)
            self._turn()
        self._end()

    def _turn(self) -> None:
        """Write what is due; keep within the ring's time otherwise."""
        if self._waits:
            self._forget_old()
        elif time.monotonic() >= self._retry_s:
            self._attempt(self._write_due)

    def _forget_old(self) -> None:
        oldest_s = time.monotonic() - self._config.seconds
        with self._changed:
            while self._held and self._held[0][0] < oldest_s:
                self._drop_oldest()

    def _write_due(self) -> None:
        last_s = self._until_s if self._config.mode == "ring" else float("inf")
        while batch := self._take(last_s):
            self._loose += batch
            self._folder.write([message for _, message in batch], self._label)
            self._settle()
        self._folder.flush()
        self._settle()
        if time.monotonic() > last_s:
            self._finish_incident()

    def _finish_incident(self) -> None:
        name = self._folder.open_file
        self._folder.finish()
        self._settle()
        with self._changed:
            if time.monotonic() > self._until_s:  # else it was asked for again just now
                self._incident = False
        if name is not None:
            logger.info("recording: %s holds what happened", name, extra={"event": "recorded"})

    def _take(self, last_s: float) -> list[tuple[float, Message]]:
        batch: list[tuple[float, Message]] = []
        with self._changed:
            while self._held and self._held[0][0] <= last_s and len(batch) < BATCH:
                batch.append(self._held[0])
                self._drop_oldest()
        return batch

    def _settle(self) -> None:
        if self._folder.safe:
            self.written += len(self._loose)
            self._loose.clear()

    def _give_back(self) -> None:
        """What did not reach the disk waits on; the memory's limit holds at the next ``put``."""
        with self._changed:
            self._held.extendleft(reversed(self._loose))
            self._held_bytes += sum(len(message.data) + OVERHEAD for _, message in self._loose)
        self._loose.clear()

    def _attempt(self, write: Callable[[], None]) -> None:
        """One alarm when the disk fails, one line when it works again; in between it is tried every two seconds."""
        try:
            write()
        except Exception as error:  # noqa: BLE001 - whatever it is, there is one alarm, and recording is tried again
            why = " ".join(str(error).split()) or type(error).__name__
            if self.error is None:
                logger.error("recording stops: %s; inference goes on", why, extra={"event": "recording-stopped"})
            self.error = why
            self._give_back()
            self._retry_s = time.monotonic() + RETRY_S
        else:
            if self.error is not None:
                logger.warning("recording goes on: there is room again", extra={"event": "recording-resumed"})
                self.error = None
                self._folder.repair()

    def _end(self) -> None:
        if not self._waits and self.error is None:
            self._attempt(self._write_due)
        self._attempt(self._folder.finish)

    def status(self) -> RecorderStatus:
        """JSON-ready. ``queue``: messages in memory; ``dropped``: those that no memory was left for."""
        with self._changed:
            held_s = time.monotonic() - self._held[0][0] if self._held else 0.0
            queue, megabytes = len(self._held), self._held_bytes / MB
        state = "failed" if self.error is not None else "waiting" if self._waits else "recording"
        return {
            "state": state,
            "error": self.error,
            "queue": queue,
            "queue_mb": round(megabytes, 1),
            "queue_s": round(held_s, 1),
            "dropped": self.dropped,
            "written": self.written,
            "triggers": self.triggers,
        }

    def close(self, timeout_s: float) -> None:
        """Write what waits and end the file."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
