"""The process that reads a model (``backends.reader``), forked from one that has its libraries: a test pays for what
it reads, not for a Python that starts. ``tests/backends/test_reading.py``, and the programs that tests start, have the
real one.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any

from edge_segnet.backends import ahead, reader

START = ahead.start
"""The real one."""


@dataclass
class Forked:
    """What the reader's parent uses of ``subprocess.Popen``."""

    stdin: IO[bytes]
    stdout: IO[bytes]
    kill: Callable[[], None]
    collect: Callable[[], int | None]
    """Waits; how it ended."""
    returncode: int | None = None

    def poll(self) -> int | None:
        """For one that was begun ahead, which only programs do."""
        return self.returncode

    def wait(self) -> int | None:
        """How it ended."""
        if self.returncode is None:
            self.returncode = self.collect()
        return self.returncode

    def communicate(self, timeout: float) -> tuple[bytes, None]:
        """All that it says; no test waits for the limit."""
        del timeout
        self.stdin.close()
        told = self.stdout.read()
        self.wait()
        return told, None


class _Passed:
    """A descriptor that goes with the order for a process; a ``DupFd`` made before would need a thread that hands it
    out.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def __reduce__(self) -> tuple[Callable[[Any], int], tuple[object]]:
        return _taken, (DupFd(self._number),)


def _taken(handle: Any) -> int:
    return int(handle.detach())


def serve(context: ForkServerContext) -> None:
    """From now on this process, which may have threads, has its models read by children of that fork server."""
    ahead.start = lambda: _from(context)  # type: ignore[assignment,return-value]


def fork() -> None:
    """From now on this process, which has none yet, forks itself."""
    ahead.start = _fork  # type: ignore[assignment]


def _from(context: ForkServerContext) -> Forked:
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    process = context.Process(target=_child, args=(_Passed(theirs_in), _Passed(theirs_out), dict(os.environ)))
    process.start()
    os.close(theirs_in)
    os.close(theirs_out)

    def collect() -> int | None:
        process.join()
        return process.exitcode

    return Forked(os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb"), process.kill, collect)


def _child(stdin: int, stdout: int, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    _read(stdin, stdout)


def _fork() -> Forked:
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours_out)  # or it would never hear that nothing more comes
        os.close(ours_in)
        try:
            _read(theirs_in, theirs_out)
        finally:
            os._exit(0)
    os.close(theirs_in)
    os.close(theirs_out)

    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def collect() -> int:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return Forked(os.fdopen(ours_out, "wb"), os.fdopen(ours_in, "rb"), kill, collect)


def _read(stdin: int, stdout: int) -> None:
    """The bound on its memory leaves room for what was loaded before."""
    for ours, number in ((stdin, 0), (stdout, 1), (os.open(os.devnull, os.O_WRONLY), 2)):
        os.dup2(ours, number)
        os.close(ours)
    sys.stdin = os.fdopen(0)
    logging.disable()  # the real one has nobody who shows its warnings
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    reader.ROOM += pages * os.sysconf("SC_PAGE_SIZE")  # type: ignore[misc]
    reader.main()
    os._exit(0)
