"""Scores against a case done by hand and against plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from edge_segnet.core.stats import confusion, percentile, scores, shares

Labels = NDArray[np.uint8]


def test_by_hand() -> None:
    truth = np.array([[0, 0, 1, 1], [2, 2, 2, 3]], np.uint8)  # 3 is void
    predicted = np.array([[0, 1, 1, 1], [2, 0, 3, 0]], np.uint8)
    matrix = confusion(truth, predicted, 3)
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 1, 1]]
    result = scores(matrix)
    assert result.global_accuracy == pytest.approx(4 / 7)
    assert result.accuracy == pytest.approx((1 / 2, 1.0, 1 / 3))
    assert result.class_accuracy == pytest.approx((1 / 2 + 1 + 1 / 3) / 3)
    assert result.iou == pytest.approx((1 / 3, 2 / 3, 1 / 3))
    assert result.mean_iou == pytest.approx(4 / 9)


def test_classes_that_never_occur_do_not_count() -> None:
    result = scores(confusion(np.array([0, 0], np.uint8), np.array([0, 2], np.uint8), 4))
    assert result.iou[0] == 0.5 and result.iou[2] == 0.0
    assert math.isnan(result.iou[1]) and math.isnan(result.iou[3])
    assert math.isnan(result.accuracy[2])
    assert result.mean_iou == 0.25 and result.class_accuracy == 0.5


def test_nothing_but_void_gives_no_score() -> None:
    result = scores(confusion(np.array([5, 255], np.uint8), np.array([0, 1], np.uint8), 3))
    assert math.isnan(result.global_accuracy) and math.isnan(result.mean_iou)


Pairs = st.integers(1, 6).flatmap(
    lambda classes: st.tuples(
        st.just(classes),
        arrays(np.uint8, (5, 7), elements=st.integers(0, classes + 1)),
        arrays(np.uint8, (5, 7), elements=st.integers(0, classes + 1)),
    )
)


@given(Pairs)
def test_against_plain_loops(case: tuple[int, Labels, Labels]) -> None:
    classes, truth, predicted = case
    pairs = [(int(t), int(p)) for t, p in zip(truth.flat, predicted.flat, strict=True) if t < classes]
    matrix = confusion(truth, predicted, classes)
    for row in range(classes):
        for column in range(classes + 1):
            wanted = sum(1 for t, p in pairs if t == row and min(p, classes) == column)
            assert matrix[row, column] == wanted
    result = scores(matrix)
    hits = sum(1 for t, p in pairs if t == p)
    assert result.global_accuracy == pytest.approx(hits / len(pairs) if pairs else math.nan, nan_ok=True)
    ious = []
    for number in range(classes):
        both = sum(1 for t, p in pairs if t == p == number)
        either = sum(1 for t, p in pairs if number in (t, p))
        ious.append(both / either if either else math.nan)
    assert result.iou == pytest.approx(tuple(ious), nan_ok=True)
    known = [iou for iou in ious if not math.isnan(iou)]
    assert result.mean_iou == pytest.approx(sum(known) / len(known) if known else math.nan, nan_ok=True)


@given(arrays(np.int64, st.integers(1, 20), elements=st.integers(0, 10**9)))
def test_shares_sum_to_one(counts: NDArray[np.int64]) -> None:
    assert shares(counts).sum() == pytest.approx(1.0 if counts.any() else 0.0)


def test_percentiles_are_values_that_occurred() -> None:
    samples = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(samples, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1.0, 3.0, 5.0, 5.0]
    assert percentile([2.0, 1.0], 0.5) == 1.0


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300), st.integers(0, 100))
def test_percentiles_are_numpys(samples: list[float], percent: int) -> None:
    assert percentile(samples, percent / 100) == np.percentile(samples, percent, method="inverted_cdf")
