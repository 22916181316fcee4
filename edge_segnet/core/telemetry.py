"""What a camera's loop counts while it runs: frames, drops, ages, stages. Numbers only, cheap enough for every frame.

Written by one thread (the loop) and read by others; a reader may see a frame half counted, never a wrong total later.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import Final

from edge_segnet.core.stats import percentile
from edge_segnet.core.types import Drops, Result

BUCKETS_MS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 150.0, 250.0, 500.0, 1000.0, 2500.0)
"""Around what people ask for: a camera's period at 100, 50, 30 and 20 frames per second, and a second."""
RECENT: Final = 512
"""Frames that rates and percentiles are about."""
RATE_WINDOW_S: Final = 5.0
"""What "frames per second" means: long enough for two frames of the slowest networks, short enough to see a fall."""


class Histogram:
    """Counts of values in ``BUCKETS_MS``, as Prometheus has them."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS_MS) + 1)
        self.sum_ms = 0.0

    def observe(self, value_ms: float) -> None:
        """Count one value."""
        self._counts[bisect_left(BUCKETS_MS, value_ms)] += 1
        self.sum_ms += value_ms

    def cumulative(self) -> list[tuple[float, int]]:
        """(upper bound in ms, values at or below it); the last bound is infinity."""
        total, rows = 0, []
        for bound, count in zip((*BUCKETS_MS, float("inf")), self._counts, strict=True):
            total += count
            rows.append((bound, total))
        return rows


@dataclass(frozen=True)
class Ages:
    """Age of recent frames when they were handed to the sinks, in ms."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    count: int


class CameraTelemetry:
    """One camera's numbers since its loop began."""

    def __init__(self) -> None:
        self.frames = 0
        self.dropped = Drops()
        self.stale = 0
        self.conversions = self.copies = 0
        """Of the published frames, as ``Frame`` counts them."""
        self.age = Histogram()
        self.stages: dict[str, Histogram] = {}
        self.last: Result | None = None
        self._recent: deque[tuple[float, float]] = deque(maxlen=RECENT)

    def observe(self, result: Result) -> None:
        """Count a published result."""
        self.frames += 1
        self.dropped = result.dropped
        self.stale += result.stale
        self.conversions += result.frame.conversions
        self.copies += result.frame.copies
        self.age.observe(result.age_ms)
        for stage, took_ms in result.segmentation.stages_ms.items():
            if stage not in self.stages:
                self.stages = {**self.stages, stage: Histogram()}  # readers iterate over the old one
            self.stages[stage].observe(took_ms)
        self._recent.append((time.monotonic(), result.age_ms))
        self.last = result

    def frames_per_second(self) -> float:
        """Published frames per second over the last five seconds; 0 when none came."""
        now_s = time.monotonic()
        recent = [stamp_s for stamp_s, _ in tuple(self._recent) if now_s - stamp_s <= RATE_WINDOW_S]
        if len(recent) < 2:
            return 0.0
        # Up to now once a frame is overdue, so that a loop that stopped fades out instead of keeping its last rate.
        period_s = (recent[-1] - recent[0]) / (len(recent) - 1)
        overdue_s = max(0.0, now_s - recent[-1] - 2 * period_s)
        return (len(recent) - 1) / (recent[-1] - recent[0] + overdue_s)

    def ages(self, since_s: float = 0.0) -> Ages | None:
        """Percentiles over the recent frames since ``since_s`` (monotonic); None: there were none."""
        values = [age for stamp_s, age in tuple(self._recent) if stamp_s >= since_s]
        if not values:
            return None
        return Ages(
            percentile(values, 0.5), percentile(values, 0.95), percentile(values, 0.99), max(values), len(values)
        )
