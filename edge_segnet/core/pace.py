"""Fewer results than there are: a rate per camera that is kept on average."""

from __future__ import annotations

import time
from typing import Final

LATE: Final = 1.0
"""Turns that a late result may be late and still keep the schedule; more is never caught up with a burst."""


class Turns:
    """Says of each result whether it is its camera's turn."""

    def __init__(self, rate: float | None) -> None:
        """``rate``: results per second and camera at most; None: all."""
        self._period_s = 0.0 if rate is None else 1.0 / rate
        self._due_s: dict[str, float] = {}

    def mine(self, camera: str, now_s: float | None = None) -> bool:
        """Whether to take this result; ``now_s`` is on the monotonic clock."""
        if self._period_s == 0.0:
            return True
        now_s = time.monotonic() if now_s is None else now_s
        due_s = self._due_s.get(camera, now_s)
        if now_s < due_s:
            return False
        self._due_s[camera] = max(due_s, now_s - LATE * self._period_s) + self._period_s
        return True
