"""Time: how far a run is, and which validations it can afford. A budget of minutes holds everything from the command's
start to the written model file: loading, steps, validations, export.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Final

EXPORT_S: Final = 4.0
"""Kept for writing the model and the curves."""
VALIDATED: Final = 0.2
"""Largest share of the time that validations before the last one may take."""


@dataclass
class Budget:
    """``minutes`` bounds the run, or ``steps`` does. ``began``: the command's start on the monotonic clock;
    ``earlier_s``: what runs took that this one goes on from."""

    minutes: float | None
    steps: int
    began: float = field(default_factory=time.monotonic)
    earlier_s: float = 0.0
    frame_s: float = 0.0
    """Of validating one picture; measured."""
    validated_s: float = 0.0
    reached: float = 0.0
    """A run does not go back when a validation was quicker than feared."""

    @property
    def seconds(self) -> float:
        """Spent so far."""
        return self.earlier_s + time.monotonic() - self.began

    def done(self, step: int, pictures: int) -> float:
        """Share of the training that is done, 0..1, if ``pictures`` are validated in the end."""
        share = step / self.steps
        if self.minutes is not None:
            total = 60.0 * self.minutes
            kept = min(EXPORT_S + self.frame_s * pictures, total / 2)
            share = self.seconds / (total - kept)
        self.reached = max(self.reached, min(share, 1.0))
        return self.reached

    def affords_validation(self, pictures: int) -> bool:
        """Whether there is time for one before the last."""
        cost = self.validated_s + self.frame_s * pictures
        return self.minutes is None or cost <= VALIDATED * self.seconds

    def affordable(self, pictures: int) -> int:
        """How many of ``pictures`` the last validation can look at: at least one."""
        if self.minutes is None or not self.frame_s:
            return pictures
        left = 60.0 * self.minutes - EXPORT_S - self.seconds
        return min(max(int(left / self.frame_s), 1), pictures)

    def validated(self, pictures: int, seconds: float) -> None:
        """Learn from a validation of ``pictures``."""
        self.frame_s = seconds / max(pictures, 1)
        self.validated_s += seconds
