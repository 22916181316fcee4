"""Intervals of a difference, against scores taken one by one and against what is known beforehand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_segnet.core.bootstrap import TOTALS, differences
from edge_segnet.core.stats import scores


def matrices(frames: int, share: float, seed: int = 0) -> NDArray[np.int64]:
    """Of three classes, ``share`` of the pixels right; the drive's luck differs by pairs of frames."""
    rng = np.random.default_rng(seed)
    found = np.zeros((frames, 3, 4), np.int64)
    for frame in range(frames):
        luck = np.clip(share + np.random.default_rng(frame // 2).normal(0, 0.05), 0, 1)
        for own in range(3):
            chances = np.full(4, (1 - luck) / 3)
            chances[own] = luck
            found[frame, own] = rng.multinomial(1000, chances)
    return found


def test_values_are_those_of_scores() -> None:
    old, new = matrices(8, 0.7), matrices(8, 0.8, 1)
    found = differences(old, new, [0, 0, 1, 1, 2, 2, 3, 3])
    before, after = scores(old.sum(axis=0)), scores(new.sum(axis=0))
    wanted = [getattr(after, name) - getattr(before, name) for name in TOTALS]
    wanted += [mine - theirs for mine, theirs in zip(after.iou, before.iou, strict=True)]
    assert [each.value for each in found] == pytest.approx(wanted)
    assert all(each.low <= each.value <= each.high for each in found)
    assert found[0].low > 0.05


def test_resampling_is_paired_and_repeatable() -> None:
    """Luck that both models share says nothing about their difference."""
    old, new = matrices(20, 0.7), matrices(20, 0.72, 1)
    groups = [frame // 2 for frame in range(20)]
    (paired, *_), (again, *_) = differences(old, new, groups), differences(old, new, groups)
    assert paired == again
    apart = differences(old, new[::-1].copy(), groups)[0]
    assert apart.high - apart.low > 2 * (paired.high - paired.low)


def test_an_interval_covers_what_is_true() -> None:
    """Equal models: about one interval in twenty misses zero, and with few groups a few more."""
    missed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found = [rng.multinomial(500, [0.8, 0.1, 0.1], (24, 2)) for _ in range(2)]
        change = differences(found[0].astype(np.int64), found[1].astype(np.int64), list(range(24)), 400)[1]
        missed += not change.low <= 0 <= change.high
    assert missed <= 9


def test_what_nobody_knows() -> None:
    old = matrices(4, 0.7)
    assert math.isnan(differences(old, old, [0, 0, 0, 0])[0].low)  # one drive has no spread
    old[:, 2], old[:, :, 2] = 0, 0
    unseen = differences(old, old, [0, 1, 2, 3])[-1]
    assert math.isnan(unseen.value) and math.isnan(unseen.low)
    assert unseen.to_dict() == {"points": None, "low": None, "high": None}
    nothing = differences(np.zeros_like(old), np.zeros_like(old), [0, 1, 2, 3])
    assert all(math.isnan(each.value) for each in nothing)
    rare = matrices(4, 0.7)
    rare[1:, 2], rare[1:, :, 2] = 0, 0  # a class that many a resample lacks
    assert not math.isnan(differences(rare, rare, [0, 1, 2, 3])[-1].low)
