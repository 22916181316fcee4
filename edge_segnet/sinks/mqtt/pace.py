"""How long to wait before the next try, and how often to say the same."""

from __future__ import annotations

import random
import time
from typing import Final

FIRST_S: Final = 0.25
LONGEST_S: Final = 10.0
AGAIN_S: Final = 60.0


class Delays:
    """Doubles from try to try, with jitter, so that a fleet does not come back in step."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def worked(self) -> None:
        """The broker did its work: the next loss is a new one."""
        self._next_s = FIRST_S

    def failed(self) -> float:
        """Seconds until the next try."""
        delay_s = self._next_s * random.uniform(0.75, 1.25)
        self._next_s = min(2 * self._next_s, LONGEST_S)
        return delay_s


class Once:
    """Whether to say something: not, if it was said within the last minute."""

    def __init__(self) -> None:
        self._said: dict[str, float] = {}

    def __call__(self, text: str) -> bool:
        now = time.monotonic()
        self._said = {each: when for each, when in self._said.items() if now - when < AGAIN_S}
        return self._said.setdefault(text, now) == now
