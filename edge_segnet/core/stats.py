"""Numbers only: confusion matrix and scores, class shares, percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


def confusion(truth: NDArray[np.uint8], predicted: NDArray[np.uint8], classes: int) -> NDArray[np.int64]:
    """Pixel pairs (truth, predicted), int64 [C, C+1]: pixels whose truth is void (id >= C) are left out, a
    prediction that is no class counts in the last column, as an error.
    """
    known = truth < classes
    column = np.minimum(predicted[known], classes).astype(np.int64)
    codes = truth[known].astype(np.int64) * (classes + 1) + column
    return np.bincount(codes, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


@dataclass(frozen=True)
class Scores:
    """What the SegNet papers report: all shares 0..1; nan for a class that never occurs in the truth or the result."""

    global_accuracy: float
    class_accuracy: float
    mean_iou: float
    iou: tuple[float, ...]
    accuracy: tuple[float, ...]


def scores(matrix: NDArray[np.int64]) -> Scores:
    """Score a confusion matrix [C, C+1] (``confusion``).

    Global accuracy: correct pixels over all. Class accuracy: mean recall of the classes that occur in the truth.
    Mean IoU: mean over classes of correct / (truth + predicted - correct), void pixels not counted (SegNet-Tutorial
    ``compute_test_results.m``, which the published figures come from).
    """
    classes = matrix.shape[0]
    hits = np.diagonal(matrix).astype(np.float64)
    truth = matrix.sum(axis=1)
    union = truth + matrix[:, :classes].sum(axis=0) - hits
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = np.where(truth > 0, hits / truth, np.nan)
        iou = np.where(union > 0, hits / union, np.nan)
    total = int(truth.sum())
    return Scores(
        global_accuracy=float(hits.sum() / total) if total else float("nan"),
        class_accuracy=_mean(accuracy),
        mean_iou=_mean(iou),
        iou=tuple(float(value) for value in iou),
        accuracy=tuple(float(value) for value in accuracy),
    )


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Class pixels [C+1] -> shares of all pixels [C+1]; zeros for an empty picture."""
    return counts / max(int(counts.sum()), 1)


def percentile(samples: Sequence[float], share: float) -> float:
    """The least sample that at least ``share`` (0..1) of all samples don't exceed: ``numpy.percentile(samples,
    100 * share, method="inverted_cdf")`` (Hyndman and Fan, Sample Quantiles in Statistical Packages, 1996, type 1), so
    it is a value that occurred. ``quantile``, because 99.9 / 100 is a little more than 0.999.
    """
    return float(np.quantile(np.asarray(samples, np.float64), share, method="inverted_cdf"))


def class_weights(pixels: NDArray[np.int64], frames: NDArray[np.int64], power: float = 1.0) -> NDArray[np.float32]:
    """Median-frequency balancing (Eigen & Fergus 2015, arXiv 1411.4734) raised to ``power``.

    Args:
        pixels: pixels of each class [C].
        frames: pixels of all pictures that show the class [C], void left out.
        power: 1 is the paper's and SegNet's, 0 is none; 0.5 keeps global accuracy and helps the rare classes.

    Returns:
        median / frequency, where frequency is ``pixels / frames``; 0 for classes that never occur.
    """
    seen = pixels > 0
    if not seen.any():
        return np.zeros(len(pixels), np.float32)
    frequency = np.where(seen, pixels / np.maximum(frames, 1), 1.0)
    weights = (np.median(frequency[seen]) / frequency) ** power
    return np.where(seen, weights, 0.0).astype(np.float32)
