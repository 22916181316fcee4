"""Events on their way to the broker: read from the log, in order, until the broker has answered for each.

in the log --next--> ready --taken--> flying --answered, and all before it--> done: the cursor moves
     ^                                  |
     `--retry: refused, or a new session'
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from edge_segnet.scene.events import Event, EventLog
from edge_segnet.sinks.mqtt.cursor import Cursor, Position


@dataclass
class _Flight:
    event: Event
    identifier: int
    done: bool = False


class EventQueue:
    """The log keeps what waits, so that memory does not grow and a crash loses nothing. One thread uses it; ``status``
    may be asked from any.
    """

    def __init__(self, log: EventLog, cursor: Cursor) -> None:
        self._log, self._cursor = log, cursor
        self._done = self._read = Position()
        self._ready: deque[Event] = deque()
        self._flying: deque[_Flight] = deque()
        self._refused = False
        self.sent = self.dropped = 0

    def begin(self) -> None:
        """Go on where the last one ended."""
        self._done = self._read = self._cursor.load(self._log)

    @property
    def flying(self) -> bool:
        """Whether something waits for an answer."""
        return bool(self._flying)

    def next(self) -> Event | None:
        """The next event to send; ``taken`` must follow."""
        if self._refused:
            return None
        if not self._ready and self._log.last_id != self._read.id:
            self._ready.extend(self._log.since(self._read.id))
            if self._ready:
                self._count_gap(self._ready[0].seq)
                self._read = _position(self._ready[-1])
        return self._ready[0] if self._ready else None

    def _count_gap(self, seq: int) -> None:
        """The log is bounded: what it has let go since we last looked is gone."""
        if self._read.seq >= 0 and seq > self._read.seq + 1:
            self.dropped += seq - self._read.seq - 1

    def taken(self, identifier: int) -> None:
        """``next`` was sent, as the message ``identifier``."""
        self._flying.append(_Flight(self._ready.popleft(), identifier))

    def answered(self, identifier: int, *, refused: bool) -> bool:
        """The broker has the event, or does not want it: then it is sent again, and all after it, after ``retry``.
        False: not one of ours.
        """
        flight = next((each for each in self._flying if each.identifier == identifier), None)
        if flight is None:
            return False
        self._refused |= refused
        flight.done = not refused
        before = self._done
        while self._flying and self._flying[0].done:
            self._done = _position(self._flying.popleft().event)
            self.sent += 1
        if self._done != before:
            self._cursor.save(self._done)
        return True

    def hold(self) -> None:
        """``next`` can't be sent: none is before ``retry``."""
        self._refused = True

    @property
    def refused(self) -> bool:
        """Whether the broker refused an event, so that none is sent until ``retry``."""
        return self._refused

    def retry(self) -> None:
        """Everything without an answer is unsent."""
        self._ready.clear()
        self._flying.clear()
        self._read = self._done
        self._refused = False

    @property
    def waiting(self) -> int:
        """Events that the broker does not have, of those that are kept."""
        return len(self._log.since(self._done.id)) if self._log.last_id != self._done.id else 0


def _position(event: Event) -> Position:
    return Position(event.id, event.seq)
