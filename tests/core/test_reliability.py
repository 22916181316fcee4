"""Calibration error, AUROC, risk and coverage, temperature: against slow definitions, and on pixels made to fit."""

from __future__ import annotations

import numpy as np
import pytest

from edge_segnet.core.reliability import Tally, confidence, tally


def made(temperature: float, pixels: int = 400_000, seed: int = 0) -> Tally:
    """Pixels that are right as often as their margin says after ``temperature``."""
    rng = np.random.default_rng(seed)
    margins = np.minimum(rng.exponential(60, pixels), 255).astype(np.uint8)
    right = rng.random(pixels) < confidence(temperature)[margins]
    return tally(np.zeros(pixels, np.uint8), np.where(right, 0, 1).astype(np.uint8), margins, 2)


@pytest.mark.parametrize("temperature", [0.6, 1.0, 2.5])
def test_the_temperature_is_found_and_takes_the_error_away(temperature: float) -> None:
    counted = made(temperature)
    assert counted.fit_temperature() == pytest.approx(temperature, rel=0.03)
    assert counted.calibration_error(temperature) < 0.004
    if temperature != 1.0:
        assert counted.calibration_error() > 0.03


def test_void_pixels_are_left_out() -> None:
    truth, labels = np.array([[0, 1, 2, 3]], np.uint8), np.array([[0, 0, 2, 0]], np.uint8)
    counted = tally(truth, labels, np.array([[9, 8, 7, 200]], np.uint8), 3)
    assert counted.pixels == 3
    assert counted.counts[9].tolist() == [0, 1] and counted.counts[8].tolist() == [1, 0]
    assert counted.counts[7].tolist() == [0, 1] and counted.counts[200].tolist() == [0, 0]


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    rng = np.random.default_rng(1)
    wrong, right = rng.integers(0, 40, 60), rng.integers(0, 80, 90)
    counts = np.stack([np.bincount(wrong, minlength=256), np.bincount(right, minlength=256)], 1)
    slow = np.mean([(a < b) + 0.5 * (a == b) for a in wrong for b in right])
    assert Tally(counts).auroc_of_wrong() == pytest.approx(slow)
    assert np.isnan(Tally(np.zeros((256, 2), np.int64)).auroc_of_wrong())
    assert np.isnan(Tally(np.zeros((256, 2), np.int64)).calibration_error())


def test_risk_falls_with_coverage_where_margins_mean_something() -> None:
    counted = made(1.0)
    coverage, risk = counted.risk_coverage()
    assert coverage[-1] == 1.0 and np.all(np.diff(coverage) >= 0)
    assert risk[-1] == pytest.approx(counted.counts[:, 0].sum() / counted.pixels)
    half = np.searchsorted(coverage, 0.5)
    assert risk[half] < risk[-1] / 3


def test_tallies_add_up() -> None:
    assert (made(1.0) + made(1.0, seed=1)).pixels == 800_000
