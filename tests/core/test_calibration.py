"""What a model knows of its sureness: the familiar, the unfamiliar, and values that are impossible."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edge_segnet.core.calibration import Calibration, from_dict
from edge_segnet.core.errors import UsageError
from edge_segnet.core.margins import UNCERTAIN, margin_scale, uncertain_counts

MEASURED = Calibration(1.4, 8.0, 0.5, "ab12", "two drives")


def test_unfamiliar_is_a_half_three_deviations_below_the_mean() -> None:
    assert MEASURED.unfamiliar(8.0 - 3 * 0.5) == pytest.approx(0.5)
    assert MEASURED.unfamiliar(8.0) < 0.02 < 0.95 < MEASURED.unfamiliar(5.0)
    assert MEASURED.unfamiliar(8.0) > MEASURED.unfamiliar(9.0) > 0.0
    assert MEASURED.unfamiliar(-1e30) == 1.0 and MEASURED.unfamiliar(1e30) < 1e-300


def test_it_comes_back() -> None:
    assert from_dict(MEASURED.to_dict(), "x") == MEASURED
    without_words = {key: value for key, value in MEASURED.to_dict().items() if key != "measured_on"}
    assert from_dict(without_words, "x").measured_on == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"temperature": 0.0}, "impossible calibration"),
        ({"temperature": 1e6}, "temperature 0.1 to 20"),
        ({"temperature": float("nan")}, "temperature of the calibration is nan"),
        ({"temperature": True}, "temperature of the calibration is True"),
        ({"winning_deviation": 0}, "deviation > 0"),
        ({"winning_mean": "8"}, "winning_mean of the calibration is '8'"),
        ({"weights": 5}, "fingerprint is no text"),
        ({"more": 1}, "'more' in the calibration"),
    ],
)
def test_impossible_values(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        from_dict({**MEASURED.to_dict(), **change}, "x")


def test_missing_values() -> None:
    with pytest.raises(UsageError, match="'weights' in the calibration is unknown or missing"):
        from_dict({key: value for key, value in MEASURED.to_dict().items() if key != "weights"}, "x")
    with pytest.raises(UsageError, match="the calibration is 3"):
        from_dict(3, "x")


def test_twice_as_likely_is_where_uncertain_ends() -> None:
    for temperature in (0.5, 1.0, 3.0):
        lead = temperature * np.log(2)
        assert margin_scale(temperature) * lead == pytest.approx(UNCERTAIN)


def test_uncertain_pixels_by_class() -> None:
    labels = np.array([[0, 1, 1, 3], [2, 2, 2, 3]], np.uint8)
    margins = np.array([[15, 16, 0, 0], [3, 3, 200, 255]], np.uint8)
    assert uncertain_counts(labels, margins, 3).tolist() == [1, 1, 2]
