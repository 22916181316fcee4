"""How long to wait before the next try."""

from __future__ import annotations

import random
import time
from typing import Final

FIRST_S: Final = 0.25
LONGEST_S: Final = 10.0
STEADY_S: Final = 5.0
"""A connection that lasted so long was a good one."""


class Delays:
    """Doubles from try to try, with jitter, so that a fleet does not come back in step."""

    def __init__(self) -> None:
        self._next_s = FIRST_S
        self._opened_s: float | None = None

    def opened(self) -> None:
        """There is a connection."""
        self._opened_s = time.monotonic()

    def failed(self) -> float:
        """It is gone, or there was none: seconds until the next try."""
        if self._opened_s is not None and time.monotonic() - self._opened_s > STEADY_S:
            self._next_s = FIRST_S
        self._opened_s = None
        delay_s = self._next_s * random.uniform(0.75, 1.25)
        self._next_s = min(2 * self._next_s, LONGEST_S)
        return delay_s
