"""Results on their way to the broker: the newest of each camera, and nothing else."""

from __future__ import annotations

import threading

from edge_segnet.core.pace import RateLimiter
from edge_segnet.core.types import Result


class Stream:
    """One place per camera. Filled by the thread that publishes, emptied by the one that sends."""

    def __init__(self, name: str, rate: float) -> None:
        """``rate``: results per second and camera at most."""
        self.name = name
        self._turns = RateLimiter(rate)
        self._slots: dict[str, Result] = {}
        self._lock = threading.Lock()
        """Guards what waits and the counts: left by the fan-out, taken by the sender."""
        self.sent = self.dropped = 0
        self.flying: int | None = None
        """The message that waits for the broker's answer: with QoS 1 and 2 the broker says when it takes another."""

    def offer(self, result: Result) -> bool:
        """Leave a result, if it is its camera's turn; True: something waits."""
        camera = result.frame.camera
        if not self._turns.mine(camera):
            return False
        with self._lock:
            self.dropped += camera in self._slots
            self._slots[camera] = result
        return True

    def take(self) -> Result | None:
        """A result to send, cameras in turn."""
        if self.flying is not None:
            return None
        with self._lock:
            camera = next(iter(self._slots), None)
            return None if camera is None else self._slots.pop(camera)

    def answered(self, identifier: int) -> bool:
        """Whether the answer was for us."""
        if self.flying != identifier:
            return False
        self.flying = None
        return True
