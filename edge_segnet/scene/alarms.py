"""Which alarms are on. An alarm has one start and one clear, whatever happens to its rule, its camera or the process.

    off --start--> on --clear, or nobody wants it any more--> off

What outlives the process is the event log: an alarm whose start is on disk, and whose clear is not, is on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from edge_segnet.core.documents import utc
from edge_segnet.core.types import Frame
from edge_segnet.scene.events import AlarmKey, Event, EventLog


@dataclass(frozen=True)
class Seen:
    """What a rule saw last."""

    value: float
    frame_seq: int
    captured_at: float
    captured_ns: int
    synthetic: bool

    @classmethod
    def of(cls, value: float, frame: Frame) -> Seen:
        """The value of a frame."""
        return cls(round(value, 4), frame.seq, frame.captured_at, frame.captured_ns, frame.synthetic)


class Alarms:
    """Asked and told by every camera's loop; ``want`` and ``settle`` belong to who changes the settings."""

    def __init__(self, log: EventLog) -> None:
        """``log`` knows what an earlier run left on."""
        self._log = log
        self._lock = threading.Lock()
        """Guards what is on together with the order of its events in the log."""
        self._on: dict[AlarmKey, Event] = log.open_alarms()
        self._since_ns: dict[AlarmKey, int] = {}
        self._seen: dict[AlarmKey, Seen] = {}
        self._wanted: frozenset[AlarmKey] | None = None

    def is_on(self, key: AlarmKey) -> bool:
        """Whether a rule's alarm is on at a camera."""
        return key in self._on

    def since_ns(self, key: AlarmKey) -> int | None:
        """When it began (monotonic); None: in an earlier run, or not at all."""
        return self._since_ns.get(key)

    def saw(self, key: AlarmKey, seen: Seen) -> None:
        """The value of the newest frame."""
        self._seen[key] = seen

    def start(self, event: Event, captured_ns: int, picture: Callable[[], bytes] | None = None) -> bool:
        """Begin; False: it has begun already, or its rule is gone."""
        key = event.alarm
        with self._lock:
            if key in self._on or (self._wanted is not None and key not in self._wanted):
                return False
            self._on[key], self._since_ns[key] = event, captured_ns
            self._log.append(event, picture)
        return True

    def clear(self, event: Event, picture: Callable[[], bytes] | None = None) -> bool:
        """End; False: it has ended already."""
        with self._lock:
            return self._end(event, picture)

    def _end(self, event: Event, picture: Callable[[], bytes] | None = None) -> bool:
        if self._on.pop(event.alarm, None) is None:
            return False
        self._since_ns.pop(event.alarm, None)
        self._log.append(event, picture)
        return True

    def want(self, keys: frozenset[AlarmKey]) -> None:
        """From now on only these begin: other rules are gone, or their cameras."""
        self._wanted = keys

    def settle(self) -> None:
        """End what is on and nobody wants any more."""
        with self._lock:
            wanted = self._wanted
            for key in [] if wanted is None else [key for key in self._on if key not in wanted]:
                self._end(self._ended(key, self._on[key]))
            for key in [] if wanted is None else self._seen.keys() - wanted:
                del self._seen[key]

    def _ended(self, key: AlarmKey, start: Event) -> Event:
        """The clear of a rule that no frame clears: with what was seen last, if only at its start."""
        seen, since_ns = self._seen.get(key), self._since_ns.get(key)
        event = replace(start, kind="clear", id="", seq=0, snapshot=None, at=utc(time.time()), duration_s=None)
        if seen is None:
            return event
        past_s = None if since_ns is None else round((seen.captured_ns - since_ns) / 1e9, 3)
        return replace(event, at=utc(seen.captured_at), value=seen.value, frame_seq=seen.frame_seq, duration_s=past_s)
