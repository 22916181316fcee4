"""How far a difference of two models could be luck: scores of both over resampled groups of frames. Numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 2000
"""Efron and Tibshirani, An Introduction to the Bootstrap (1993), 14.2: an interval's ends need at least 1000."""
SURE: Final = 0.95
"""Of an interval: the usual 95 %."""
TOTALS: Final = ("mean_iou", "global_accuracy", "class_accuracy")
"""Figures of a whole confusion matrix; those of single classes follow them."""


@dataclass(frozen=True)
class Difference:
    """NEW - OLD, of a share 0..1; ``low`` and ``high``: where it lies with 95 %. nan where nobody can know."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """In percentage points, JSON-ready."""
        values = {"points": self.value, "low": self.low, "high": self.high}
        return {name: None if np.isnan(value) else round(100 * value, 3) for name, value in values.items()}


def differences(
    old: NDArray[np.int64], new: NDArray[np.int64], groups: Sequence[int], resamples: int = RESAMPLES, seed: int = 0
) -> list[Difference]:
    """Of the figures in ``TOTALS``, then of every class's IoU.

    Whole groups (drives) are drawn with replacement, because frames of one drive resemble each other, and the same
    groups for both models: the percentile interval of the paired difference (Efron and Tibshirani 1993, chapter 13).
    One group alone has no spread: its interval is unknown.

    Args:
        old: confusion matrices of every frame [F,C,C+1] (``stats.confusion``); ``new``: of the other model.
        groups: every frame's group, 0 to G-1.
    """
    whole = np.ones((1, len(old)))
    value = (_figures(whole, new) - _figures(whole, old))[0]
    count = max(groups) + 1
    if count < 2:
        return [Difference(float(each), float("nan"), float("nan")) for each in value]
    member = np.eye(count)[list(groups)].T
    summed = [np.tensordot(member, matrices, 1) for matrices in (old, new)]
    drawn = np.random.default_rng(seed).multinomial(count, [1 / count] * count, resamples).astype(np.float64)
    spread = _figures(drawn, summed[1]) - _figures(drawn, summed[0])
    return [_interval(float(each), column) for each, column in zip(value, spread.T, strict=True)]


def _interval(value: float, found: NDArray[np.float64]) -> Difference:
    known = found[~np.isnan(found)]
    if not known.size:
        return Difference(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - SURE) / 2, (1 + SURE) / 2])
    return Difference(value, float(low), float(high))


def _figures(weights: NDArray[np.float64], matrices: NDArray[np.generic]) -> NDArray[np.float64]:
    """``stats.scores`` of every weighted sum of matrices: [B,G] and [G,C,C+1] -> [B,3+C]."""
    classes = matrices.shape[1]
    hits = weights @ np.diagonal(matrices[:, :, :classes], axis1=1, axis2=2).astype(np.float64)
    truth = weights @ matrices.sum(axis=2)
    union = truth + weights @ matrices[:, :, :classes].sum(axis=1) - hits
    with np.errstate(invalid="ignore", divide="ignore"):
        iou = np.where(union > 0, hits / union, np.nan)
        accuracy = np.where(truth > 0, hits / truth, np.nan)
        right = hits.sum(axis=1) / truth.sum(axis=1)
        totals = np.stack([_mean(iou), right, _mean(accuracy)], axis=1)
    return np.concatenate([totals, iou], axis=1)


def _mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    return np.asarray(np.where(known, values, 0.0).sum(axis=1) / known.sum(axis=1))
