"""The process that reads models, as its parent sees it: started, perhaps before anybody knows which model.

    begin --its libraries are loaded, while this program loads its own--> waiting --take--> reading (``reader``)
                                                                            `--drop, or its parent's end--> gone

Imports nothing slow: who serves begins it first of all.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from typing import Final

_ALONE: Final = {"OPENBLAS_NUM_THREADS": "1", "NOTIFY_SOCKET": ""}
"""Each of OpenBLAS's threads reserves address space, and only the service speaks to the service manager."""
_ahead: subprocess.Popen[bytes] | None = None


def start() -> subprocess.Popen[bytes]:
    """A process that takes one wish on standard input; raises OSError."""
    return subprocess.Popen(
        [sys.executable, "-m", "edge_segnet.backends.reader"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | _ALONE,
    )


def begin() -> None:
    """Have one ready for the first ``take``; where it can't be started, ``take`` says so."""
    global _ahead
    with contextlib.suppress(OSError):
        _ahead = start()


def take() -> subprocess.Popen[bytes]:
    """The one that was begun, if it lives, or another; raises OSError."""
    global _ahead
    process, _ahead = _ahead, None
    if process is None:
        return start()
    if process.poll() is None:
        return process
    end(process)
    return start()


def drop() -> None:
    """Nobody has a model for the one that was begun."""
    global _ahead
    process, _ahead = _ahead, None
    if process is not None:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Whatever it does; may be called twice."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
