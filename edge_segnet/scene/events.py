"""What rules noticed: one append-only log, kept on disk over restarts. Whoever sends events on reads it with a cursor.

    append (any thread, microseconds) ─► the log's thread: snapshot, id, disk ─► newest · since · wait

An event can be read only once it is on disk, so that nobody sends one that a crash takes back.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from edge_segnet.core import threads
from edge_segnet.core.documents import EventDocument, LogDocument
from edge_segnet.core.documents.event import Measure
from edge_segnet.core.pace import Deadline
from edge_segnet.scene import ids
from edge_segnet.scene.event_store import EventStore

logger = logging.getLogger(__name__)
AGAIN_S: Final = 2.0
"""Between two tries to write what the disk did not take."""
KEEP: Final = 1000
"""Events that are listed and kept."""
WAITING: Final = 256
"""Events that may wait for a slow disk; beyond that the oldest goes and is counted."""
PICTURES_WAITING: Final = 32
"""Of those with a frame to draw; beyond that an event has no snapshot, so that memory stays bounded."""
CLOSE_S: Final = 1.0
"""Of the 2 s that a stop may take; what is not on the disk then is counted."""


AlarmKey = tuple[str, str]
"""A rule's name and a camera's: what has a start and a clear."""


@dataclass(frozen=True)
class Event:
    """A rule fired or cleared.

    ``value`` is what the rule looked at in the deciding frame, ``threshold`` what it was compared with, both as
    ``measure`` says: a share 0..1, metres, rows, how much of a class is uncertain, how unfamiliar the picture is (then
    ``region`` is empty). ``duration_s``, of a clear: since the start, on the monotonic clock. ``at``: when the deciding
    frame was captured, UTC, ISO 8601. ``snapshot``: the name of a JPEG, see ``EventLog.snapshot``. The log gives ``id``
    (unique, in order as text) and ``seq`` (without gaps, over restarts, so
    that a reader can count what it missed).
    """

    rule: str
    region: str
    camera: str
    class_name: str | None
    kind: Literal["start", "clear"]
    at: str
    value: float
    threshold: float
    frame_seq: int
    measure: Measure = "share"
    duration_s: float | None = None
    synthetic: bool = False
    snapshot: str | None = None
    id: str = ""
    seq: int = 0

    @property
    def alarm(self) -> AlarmKey:
        """What it begins or ends."""
        return self.rule, self.camera

    def document(self) -> EventDocument:
        """As it is told and kept."""
        return EventDocument(**vars(self))


def from_document(document: dict[str, Any]) -> Event:
    """What ``document`` made, as JSON has it.

    Raises:
        ValueError: it is something else, if only in one value.
    """
    event = Event(**EventDocument.model_validate(document).model_dump(exclude={"form"}))
    if str(uuid.UUID(event.id)) != event.id or ids.stamp(event.id) > ids.MAX_STAMP:
        raise ValueError(f"{event.id}: no id of a log, or one that none could follow")
    if event.snapshot not in (None, f"{event.id}.jpg"):
        raise ValueError(f"{event.snapshot}: no snapshot of a log")  # it names a file, which will be removed
    return event


class EventLog:
    """The newest ``keep`` events. A cursor is the id of the last event that its owner has dealt with, "" for none."""

    def __init__(self, folder: Path | None, keep: int = KEEP) -> None:
        """``folder``: made if need be; while it can't be written, events are kept in memory, and the first of them
        costs a warning. None: memory only.
        """
        self.lost = 0
        """Events that never got an id, because the disk was too slow for them."""
        self.counts: Counter[tuple[str, str, str]] = Counter()
        """Events since the start, by (camera, rule, kind)."""
        self._store = EventStore(folder, keep)
        events = _readable(self._store.documents())
        events.sort(key=lambda event: event.id)
        self._events = deque(events, maxlen=keep)
        self._open: dict[AlarmKey, Event] = {}
        """Starts without a clear: kept however old they are, so that a restart knows what is on."""
        for event in events:
            self._note(event)
        self._store.keep_snapshots({event.snapshot for event in self._events if event.snapshot})
        self._waiting: deque[tuple[Event, Callable[[], bytes] | None]] = deque()
        self._changed = threading.Condition()
        """Guards the events and the end; told of each new event."""
        self._closing = False
        self._thread: threads.Thread | None = None  # until there is work for it

    def append(self, event: Event, snapshot: Callable[[], bytes] | None = None) -> None:
        """Leave an event for the log's thread; never waits for it. ``snapshot`` gives a JPEG, on that thread."""
        with self._changed:
            if len(self._waiting) >= WAITING:
                self._drop_pair()
            self._waiting.append((event, snapshot if len(self._waiting) < PICTURES_WAITING else None))
            if self._thread is None:
                self._thread = threads.start(self._run, "events")
            self._changed.notify_all()

    def _drop_pair(self) -> None:
        """A start goes with its clear, or neither: half of an alarm would never end. What waits of a single alarm is a
        start and a clear by turns, so there is a pair unless every one that waits is another alarm's.
        """
        first: dict[AlarmKey, int] = {}
        for index, (event, _) in enumerate(self._waiting):
            if event.kind == "clear" and event.alarm in first:
                del self._waiting[index], self._waiting[first[event.alarm]]
                self.lost += 2
                return
            first[event.alarm] = index

    def _note(self, event: Event) -> None:
        if event.kind == "start":
            self._open[event.alarm] = event
        else:
            self._open.pop(event.alarm, None)

    def open_alarms(self) -> dict[AlarmKey, Event]:
        """The starts whose clear has not come."""
        with self._changed:
            return dict(self._open)

    def newest(self, limit: int = KEEP) -> list[Event]:
        """The last ``limit`` events, newest first."""
        with self._changed:
            return list(self._events)[::-1][:limit]

    def since(self, cursor: str) -> list[Event]:
        """What came after ``cursor`` and is still kept, oldest first. A cursor that is newer than every event belongs
        to a log that was lost: it gives everything.
        """
        with self._changed:
            if self._events and cursor > self._events[-1].id:
                return list(self._events)
            return [event for event in self._events if event.id > cursor]

    def wait(self, cursor: str, timeout_s: float) -> list[Event]:
        """As ``since``, as soon as it would give something; empty after ``timeout_s``, or when the log is closed."""
        deadline = Deadline(timeout_s)
        with self._changed:
            while not (self._closing or (self._events and self._events[-1].id != cursor)):
                left_s = deadline.left_s
                if left_s <= 0.0 or not self._changed.wait(left_s):
                    break
        return self.since(cursor)

    @property
    def last_id(self) -> str:
        """The newest event's id: the cursor of somebody who only wants what comes from now on."""
        with self._changed:
            return self._events[-1].id if self._events else ""

    def snapshot(self, name: str) -> bytes | None:
        """The JPEG that an event names; None if it is gone, or belongs to no event."""
        with self._changed:
            if not any(event.snapshot == name for event in self._events):
                return None
        return self._store.snapshot(name)

    def status(self) -> LogDocument:
        """How much there is; ``error`` says why events are not on disk."""
        return LogDocument(kept=len(self._events), waiting=len(self._waiting), lost=self.lost, error=self._store.error)

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what waits, for so long at most, and end; may be called twice."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)
        if self._thread is None or not self._thread.is_alive():
            self._store.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    if not self._changed.wait(AGAIN_S if self._store.waits else None):
                        break
                if not self._waiting and self._closing:
                    return
                entry = self._waiting.popleft() if self._waiting else None
            if entry is None:
                self._write_again()
                continue
            try:
                self._take(*entry)
            except BaseException:
                self.lost += 1
                raise

    def _write_again(self) -> None:
        """Viewers have seen them: a kill must not take them only because no further event came."""
        oldest = self._events[0].id if self._events else ""
        older = [each for each in self._open.values() if each.id < oldest]
        self._store.append(None, lambda: [each.document().to_dict() for each in (*older, *self._events)])

    def _take(self, event: Event, snapshot: Callable[[], bytes] | None) -> None:
        last = self._events[-1] if self._events else None
        named = replace(event, id=ids.following(last.id if last else ""), seq=last.seq + 1 if last else 1)
        if snapshot is not None:
            named = replace(named, snapshot=self._keep_snapshot(f"{named.id}.jpg", snapshot))
        leaving = self._events[0] if len(self._events) == self._events.maxlen else None
        kept = [*self._events, named][-(self._events.maxlen or KEEP) :]
        older = [each for each in self._open.values() if each.id < kept[0].id and each.alarm != named.alarm]
        _tell(named)
        self._store.append(named.document().to_dict(), lambda: [each.document().to_dict() for each in (*older, *kept)])
        with self._changed:
            self._events.append(named)
            self._note(named)
            self.counts[named.camera, named.rule, named.kind] += 1
            self._changed.notify_all()
        if leaving is not None and leaving.snapshot is not None:
            self._store.forget(leaving.snapshot)

    def _keep_snapshot(self, name: str, snapshot: Callable[[], bytes]) -> str | None:
        try:
            data = snapshot()
        except Exception as error:  # noqa: BLE001 - an event without its picture is still an event
            logger.warning("no snapshot of an event (%s)", error)
            return None
        return name if self._store.keep(name, data) else None


def _tell(event: Event) -> None:
    """A line for the journal; the event is on disk a moment later."""
    what = {
        "share": event.class_name,
        "uncertain": f"what is uncertain of {event.class_name or 'the picture'}",
        "unfamiliar": "how unfamiliar the picture is",
        "frames_per_second": "results per second",
        "age_ms": "the newest result's age in ms",
        "not_running": "seconds without a good frame",
        "agreement": "on how much a new model agrees with the old one",
        "invalid": "frames of which a new model made no numbers",
    }.get(event.measure, "the free distance")
    where = f" in {event.region}" if event.region else ""
    words = f"{what}{where}: {event.value:.3g} (limit {event.threshold:.3g})"
    fields = {"camera": event.camera, "event": f"rule-{event.kind}"}
    level = logging.WARNING if event.kind == "start" else logging.INFO
    logger.log(level, "%s: rule %s, %s: %s", event.camera, event.rule, event.kind, words, extra=fields)


def _readable(documents: list[dict[str, Any]]) -> list[Event]:
    events = []
    for document in documents:
        try:
            # Half a surrogate can be read but never written: it would take every event after it along.
            json.dumps(document, ensure_ascii=False).encode()
            events.append(from_document(document))
        except ValueError:
            logger.warning("the event log: an event that is none was left out")
    return events
