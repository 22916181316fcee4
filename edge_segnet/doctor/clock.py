"""Is the time right? Certificates, file names and events hang on it, and many boards forget it without power."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge_segnet.doctor.context import Context
from edge_segnet.doctor.report import OUTSIDE, Finding, green, red, yellow

DAY_S: Final = 86_400.0
NOT_SYNCHRONISED: Final = 5
"""TIME_ERROR of adjtimex(2)."""
REMEDY: Final = "sudo timedatectl set-ntp true; timedatectl timesync-status"


def check(_context: Context) -> Iterator[Finding]:
    """Against the program's own files, and what the kernel says of its time servers."""
    yield judge(time.time(), Path(__file__).stat().st_mtime, _kernel_state())


def judge(now: float, installed: float, state: int) -> Finding:
    """``now`` and ``installed`` are UNIX times; ``state`` is adjtimex(2)'s, -1: it tells nothing."""
    words = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < installed - DAY_S:
        seen = f"{words}: before this program was installed, so certificates can't be checked"
        return red("clock", OUTSIDE, seen, REMEDY)
    if state == NOT_SYNCHRONISED:
        return yellow("clock", f"{words}, not synchronised with a time server", REMEDY, synchronised=False)
    return green("clock", words if state < 0 else f"{words}, synchronised", synchronised=None if state < 0 else True)


def _kernel_state() -> int:
    try:
        # struct timex has 208 bytes; zeros ask without changing anything.
        return int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(1024)))
    except (OSError, AttributeError):
        return -1
