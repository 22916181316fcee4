"""What a loop counts."""

from __future__ import annotations

from edge_segnet.core.telemetry import BUCKETS_MS, CameraTelemetry, Histogram
from tests.support.results import result_of


def test_histograms_are_cumulative() -> None:
    histogram = Histogram()
    for value in (0.5, 1.0, 1.1, 99.0, 1e6):
        histogram.observe(value)
    rows = dict(histogram.cumulative())
    assert rows[1.0] == 2 and rows[2.0] == 3 and rows[100.0] == 4 and rows[BUCKETS_MS[-1]] == 4
    assert rows[float("inf")] == 5 and histogram.sum_ms == 0.5 + 1.0 + 1.1 + 99.0 + 1e6


def test_nothing_yet() -> None:
    telemetry = CameraTelemetry()
    assert telemetry.ages() is None and telemetry.frames_per_second() == 0.0 and telemetry.last is None


def test_frames_ages_and_stages() -> None:
    telemetry = CameraTelemetry()
    results = [result_of(seq, age_ms=float(seq + 1), late=seq // 2, stale=seq == 9) for seq in range(10)]
    for result in results:
        telemetry.observe(result)
    assert telemetry.frames == 10 and telemetry.dropped.total == 4 and telemetry.stale == 1
    assert telemetry.last is results[-1]
    ages = telemetry.ages()
    assert ages is not None and (ages.p50_ms, ages.p95_ms, ages.max_ms, ages.count) == (5.0, 10.0, 10.0, 10)
    assert telemetry.age.cumulative()[-1] == (float("inf"), 10)
    assert set(telemetry.stages) == {"network"}
    assert telemetry.frames_per_second() > 0.0
