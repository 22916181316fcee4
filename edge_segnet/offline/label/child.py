"""A process of ours that a driver talks to: it begins with it, and never outlives it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection

from edge_segnet.core.processes import end_with_parent


def start(module: str, environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], Connection]:
    """Run a module of ours, whose ``main`` calls ``parent``; ``environment`` yields to what is set already."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            env={**environment, **os.environ},
        )
        return process, Connection(os.dup(ours.fileno()))


def parent() -> Connection:
    """In the child: the way to its driver."""
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells everybody; the driver decides
    return Connection(int(sys.argv[1]))


def exit_words(process: subprocess.Popen[bytes]) -> str:
    """How it ended, for people; it has closed its connection, and is given a second."""
    with suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
    code = process.returncode
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
