"""The one room of time: how often, how long, until when. All of it on the monotonic clock.

``RateLimiter``  fewer results than there are, kept on average      ``Waker``     a wait that can be ended early
``Bucket``       the hasty wait instead of being refused            ``Deadline``  what is left of a time
``BackOff``      longer and longer between two tries                ``SayOnce``   the same is not said again and again
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import time
from typing import Final

LATE: Final = 1.0
"""Periods that a late result may be late and still keep the schedule; more is never caught up with a burst."""
SAME_S: Final = 60.0
"""The same line again after so long is news: somebody who looks at the last minute of a log must see that it lasts."""


class RateLimiter:
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


class Bucket:
    """A token bucket: whoever draws too fast waits. One thread uses it."""

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst = per_s, burst
        self._tokens, self._at = burst, time.monotonic()

    def reserve(self) -> float:
        """Take a token; returns the seconds to wait until it is there."""
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_s) - 1.0
        self._at = now
        return max(0.0, -self._tokens / self._per_s)

    @property
    def full(self) -> bool:
        """Whether nobody drew on it lately."""
        return self._tokens + (time.monotonic() - self._at) * self._per_s >= self._burst


class BackOff:
    """Waits between tries.

    fresh --failed--> first_s --failed--> twice as long ... longest_s --worked--> fresh

    Each wait is spread at random, so that what failed together does not come back all at once.
    """

    def __init__(self, first_s: float, longest_s: float, spread: tuple[float, float] = (0.75, 1.25)) -> None:
        """``spread``: least and most of a wait, as factors."""
        self._first_s, self._longest_s, self._spread = first_s, longest_s, spread
        self.failures = 0
        """In a row."""

    def worked(self) -> None:
        """The next failure is a new one."""
        self.failures = 0

    def failed(self) -> float:
        """Seconds until the next try."""
        # 2 ** 20 is past any ``longest_s``: the power stays a number whatever happens for months.
        wait_s = min(self._first_s * 2.0 ** min(self.failures, 20), self._longest_s)
        self.failures += 1
        return wait_s * random.uniform(*self._spread)


class Deadline:
    """A moment that is some seconds away."""

    def __init__(self, seconds: float) -> None:
        self._at_s = time.monotonic() + seconds

    @property
    def left_s(self) -> float:
        """Until then; never less than 0."""
        return max(0.0, self._at_s - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether it has come."""
        return time.monotonic() >= self._at_s


class SayOnce:
    """Whether to say something: not, if it was said within the last minute."""

    def __init__(self, same_s: float = SAME_S) -> None:
        self._same_s = same_s
        self._said: dict[str, float] = {}

    def __call__(self, text: str) -> bool:
        now = time.monotonic()
        self._said = {each: when for each, when in self._said.items() if now - when < self._same_s}
        return self._said.setdefault(text, now) == now


class Waker:
    """Ends a wait early, from any thread, and from a signal handler that interrupts the wait or another ring: there is
    no lock in it. A socket, not a pipe or an eventfd: after ``close`` its number is not another file's.
    """

    def __init__(self) -> None:
        self._heard, self._bell = socket.socketpair()
        self._heard.setblocking(False)
        self._bell.setblocking(False)

    @property
    def fd(self) -> int:
        """Readable while it rings, for ``select`` and its like."""
        return self._heard.fileno()

    def ring(self) -> None:
        """Does nothing after ``close``."""
        with contextlib.suppress(OSError):  # rung often enough, or closed
            self._bell.send(b"!")

    def heard(self) -> None:
        """Be silent again."""
        with contextlib.suppress(BlockingIOError):
            while self._heard.recv(64):
                pass

    def wait(self, seconds: float) -> None:
        """Until it rings."""
        poll = select.poll()
        poll.register(self._heard, select.POLLIN)
        if poll.poll(1e3 * seconds):
            self.heard()

    def close(self) -> None:
        """Release it."""
        self._heard.close()
        self._bell.close()
