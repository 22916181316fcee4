"""Processes of ours that must not outlive who started them."""

from __future__ import annotations

import ctypes
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
"""prctl(2), linux/prctl.h: the signal that comes when the parent is gone."""


def end_with_parent() -> None:
    """Called by a child: it is killed when its parent ends, however that ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
