"""How far a margin can be trusted: what share of the pixels of each margin is right. Numbers only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.calibration import TEMPERATURES
from edge_segnet.core.margins import MARGIN_TOP, UNCERTAIN

BINS = 15
"""As Guo et al., "On Calibration of Modern Neural Networks" (2017), so that figures compare."""


def tally(truth: NDArray[np.uint8], labels: NDArray[np.uint8], margins: NDArray[np.uint8], classes: int) -> Tally:
    """Count pixels by margin, right and wrong; all three of one shape. Pixels whose truth is void (id >= C) are left
    out.
    """
    known = truth < classes
    right = labels[known] == truth[known]
    codes = margins[known].astype(np.int64) * 2 + right
    return Tally(np.bincount(codes, minlength=2 * (MARGIN_TOP + 1)).reshape(-1, 2))


@dataclass(frozen=True, eq=False)
class Tally:
    """``counts`` int64 [256,2]: pixels by margin, wrong and right."""

    counts: NDArray[np.int64]

    @classmethod
    def empty(cls) -> Tally:
        """Of no pixel."""
        return cls(np.zeros((MARGIN_TOP + 1, 2), np.int64))

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.counts + other.counts)

    @property
    def pixels(self) -> int:
        return int(self.counts.sum())

    def calibration_error(self, temperature: float = 1.0) -> float:
        """Expected calibration error, 0..1: the mean distance of confidence and share of right pixels over 15 bins of
        confidence (Guo et al. 2017, arXiv 1706.04599, eq. 3). The confidence is the winner's share of what it and the
        runner-up have together, 1/2 to 1. ``temperature`` on top of the one that the margins were made with.
        """
        if not self.pixels:
            return float("nan")
        sure = confidence(temperature)
        place = np.minimum(((sure - 0.5) * 2 * BINS).astype(int), BINS - 1)
        total = self.counts.sum(axis=1)
        expected = np.bincount(place, sure * total, BINS)
        found = np.bincount(place, self.counts[:, 1], BINS)
        return float(np.abs(expected - found).sum() / total.sum())

    def auroc_of_wrong(self) -> float:
        """Chance that a wrong pixel has a smaller margin than a right one (ties count half); nan without both kinds."""
        wrong, right = self.counts.T.astype(np.float64)
        pairs = wrong.sum() * right.sum()
        if not pairs:
            return float("nan")
        above = right.sum() - np.cumsum(right)
        return float((wrong * (above + right / 2)).sum() / pairs)

    def risk_coverage(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Coverage and risk [256]: of the pixels with at least a margin, their share of all, and how many are wrong."""
        total = np.cumsum(self.counts.sum(axis=1)[::-1])
        wrong = np.cumsum(self.counts[::-1, 0])
        return total / max(int(total[-1]), 1), wrong / np.maximum(total, 1)

    def fit_temperature(self) -> float:
        """The temperature at which the confidences' log-likelihood is greatest, to 1 %."""
        candidates = np.exp(np.arange(np.log(TEMPERATURES[0]), np.log(TEMPERATURES[1]), 0.01))
        return float(min(candidates, key=self._surprise))

    def _surprise(self, temperature: float) -> float:
        sure = np.clip(confidence(temperature), 0.5, 1.0 - 1e-6)
        wrong, right = self.counts.T
        return float(-(right * np.log(sure) + wrong * np.log1p(-sure)).sum())


def confidence(temperature: float = 1.0) -> NDArray[np.float64]:
    """Of every margin [256]: 1 / (1 + 2^(-margin / 16 / temperature)), at the middle of what the byte stands for."""
    return np.asarray(1.0 / (1.0 + 2.0 ** (-(np.arange(MARGIN_TOP + 1) + 0.5) / UNCERTAIN / temperature)))
