"""Log lines of a service: one event, one line, never a flood; fields for the journal.

``logger.warning("...", extra={"camera": "front"})`` gives the journal a field ``EDGE_SEGNET_CAMERA``.
"""

from __future__ import annotations

import logging
import select
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TextIO

JOURNAL: Final = Path("/run/systemd/journal/socket")
FIELDS: Final = ("camera", "event")
BURST, PER_S = 10, 30.0
"""So many lines of one kind in so many seconds; the others are counted."""

if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler  # takes no [] in Python 3.10


class OneLine(logging.Formatter):
    """One record, one line: names from files, cameras and clients may hold line breaks and terminal codes."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record).replace("\n", " ")
        return "".join(mark if mark.isprintable() else " " for mark in text)


class StandardError(_StreamHandler):
    """Writes to what ``sys.stderr`` is now: a progress bar stands in for it, and lets lines pass above itself.

    A pipe that nobody reads, or a terminal that was stopped, takes nothing more, and must not stop whoever logs: lines
    are left out then, and counted when it goes on.
    """

    left_out = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        if not _takes(self.stream):
            self.left_out += 1
            return
        if self.left_out:
            self.stream.write(f"edge-segnet: {self.left_out} lines were left out: nobody read them\n")
            self.left_out = 0
        super().emit(record)


def _takes(stream: TextIO) -> bool:
    """Whether a line can be written now without waiting (pipe(7): one below PIPE_BUF goes as a whole or not at all)."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return True  # something that stands in for a stream


class RateLimit(logging.Filter):
    """Lets ``BURST`` lines of one kind (same logger, same words before their values) pass in ``PER_S`` seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        kind = (record.name, str(record.msg))
        now = self._clock()
        since, count = self._seen.get(kind, (now, 0))
        if now - since > PER_S:
            left_out, since, count = max(0, count - BURST), now, 0
            if left_out:
                record.msg = f"{record.msg} ({left_out} more like this were left out)"
        self._seen[kind] = (since, count + 1)
        return count < BURST


class Journal(logging.Handler):
    """Sends fields to systemd's journal (its native protocol, systemd.io/JOURNAL_NATIVE_PROTOCOL)."""

    def __init__(self, path: Path = JOURNAL) -> None:
        """Raises OSError when no journal listens there."""
        super().__init__()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        try:
            self._socket.connect(str(path))
        except OSError:
            self._socket.close()
            raise
        self._socket.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        fields = {
            "MESSAGE": self.format(record),
            "PRIORITY": _priority(record.levelno),
            "SYSLOG_IDENTIFIER": "edge-segnet",
            "LOGGER": record.name,
            **{f"EDGE_SEGNET_{name.upper()}": getattr(record, name) for name in FIELDS if hasattr(record, name)},
        }
        try:
            self._socket.send("".join(f"{name}={value}\n" for name, value in fields.items()).encode())
        except OSError:
            self.handleError(record)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()


def _priority(level: int) -> int:
    """syslog's priority of a logging level."""
    bounds = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
    return next((priority for bound, priority in bounds if level >= bound), 7)


class _Prefixed(OneLine):
    """``<4>message``: what the journal reads from a service's standard error (sd-daemon(3))."""

    def format(self, record: logging.LogRecord) -> str:
        return f"<{_priority(record.levelno)}>{super().format(record)}"


def service_logging(level: str, form: Literal["auto", "journal", "text"], journal_stream: bool) -> None:
    """Log as a service does, from now on; ``journal_stream``: standard error goes to the journal already."""
    root = logging.getLogger()
    handler: logging.Handler = StandardError()
    handler.setFormatter(OneLine("edge-segnet: %(message)s"))
    if form == "journal" or (form == "auto" and journal_stream):
        try:
            handler = Journal()
            handler.setFormatter(OneLine())
        except OSError:
            handler.setFormatter(_Prefixed())
    handler.addFilter(RateLimit())
    for old in tuple(root.handlers):
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
