"""The service's process, from its first moment to its end.

    beginning --serve--> serving --TERM or INT--> ending --LIMIT_S--> gone, whatever hangs
        `--TERM or INT--> gone                       `--a second signal--> gone at once

Imports nothing slow: on a busy board the imports alone take most of a minute.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from types import FrameType
from typing import Final, NoReturn, Protocol

from edge_segnet.board.notify import Notifier
from edge_segnet.core import threads

LIMIT_S: Final = 1.5
"""From the signal to the end: the sinks' time to close. systemd and people wait for two seconds."""
INTERRUPTED: Final = 130
"""A shell's exit code for SIGINT: 128 + 2."""
EXTEND_S, EXTEND_EVERY_S = 30.0, 5.0
"""Asked for six times as often as it would run out: a busy board may miss some."""
IMPORTS_S: Final = 300.0
"""For so long more time is asked for by time alone; what takes longer hangs."""


class Serving(Protocol):
    """What signals are for; safe to call in a handler."""

    def stop(self) -> None: ...

    def reload(self) -> None: ...

    def record(self) -> None: ...


class Process:
    """One at most; ``begin`` makes it."""

    def __init__(self) -> None:
        self.notifier = Notifier()
        self._serving: Serving | None = None
        self._code: int | None = None
        """What to end with, once a signal came."""
        self._reload_asked = False
        self._heard, self._bell = os.pipe()
        threads.start(self._end_in_time, "ending", again=False)
        if self.notifier.listening:
            threads.start(self._ask_for_time, "starting", again=False)
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        signal.signal(signal.SIGHUP, self._reload)
        signal.signal(signal.SIGUSR1, self._record)

    def serve(self, serving: Serving) -> None:
        """From now on signals are told to it, and it asks for more time itself."""
        self._serving = serving
        if self._reload_asked:
            serving.reload()

    @property
    def code(self) -> int:
        """Of the signal that ended it: 0 for TERM, 130 for INT; 0 when none came."""
        return self._code or 0

    def _end(self, number: int, _frame: FrameType | None) -> None:
        if self._code is not None:
            os._exit(128 + number)
        self._code = 0 if number == signal.SIGTERM else INTERRUPTED
        if self._serving is None:
            os._exit(self._code)  # nothing has begun that would have to end
        os.write(self._bell, b"!")
        self._serving.stop()

    def _reload(self, _number: int, _frame: FrameType | None) -> None:
        self._reload_asked = True
        if self._serving is not None:
            self._serving.reload()

    def _record(self, _number: int, _frame: FrameType | None) -> None:
        if self._serving is not None:
            self._serving.record()

    def _end_in_time(self) -> None:
        """Needs no lock, no log and nobody: what hangs may hold them."""
        os.read(self._heard, 1)
        time.sleep(LIMIT_S)
        os._exit(self.code)

    def _ask_for_time(self) -> None:
        until = time.monotonic() + IMPORTS_S
        while self._serving is None and time.monotonic() < until:
            self.notifier.extend(EXTEND_S)
            time.sleep(EXTEND_EVERY_S)


_process: Process | None = None


def begin() -> Process:
    """Called first of all by the program that serves; later calls give the same."""
    global _process
    if _process is None:
        _process = Process()
    return _process


def leave(code: int) -> NoReturn:
    """End the program. One that served ends at once: an interpreter that is taken down while a library's threads work
    dies of it (exit code 134).
    """
    if _process is None:
        sys.exit(code)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, or nobody reads
            stream.flush()
    os._exit(code)
