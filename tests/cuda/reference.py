"""What the decode kernel has to say, in NumPy; and adversarial logits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[Any]
"""float16 or float32 [C,H,W]"""


def decode(logits: Logits, low_margin: float) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Labels [H,W] and totals [C+2]: pixels per class, void, uncertain."""
    classes = logits.shape[0]
    wide = logits.astype(np.float32)
    void = np.isnan(wide).any(axis=0)
    with np.errstate(invalid="ignore"):
        labels = np.where(void, classes, np.where(np.isnan(wide), -np.inf, wide).argmax(axis=0)).astype(np.uint8)
        uncertain = np.zeros_like(void)
        if classes > 1:
            second, best = np.sort(wide, axis=0)[-2:]
            uncertain = ~void & ((best == second) | (best - second < np.float32(low_margin)))
    counts = np.bincount(labels.ravel(), minlength=classes + 1)
    return labels, np.append(counts, uncertain.sum()).astype(np.uint32)


def adversarial(dtype: Any, seed: int = 0) -> Iterator[tuple[str, Logits]]:
    """Name and logits: ties, all negative, NaN, infinities, subnormals, one class and 255, sizes that fit no vector."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> Logits:
        return rng.normal(0, 3, shape).astype(dtype)

    yield "random", normal(12, 45, 64)
    yield "all negative", -np.abs(normal(11, 16, 20)) - dtype(1)
    yield "all equal", np.full((7, 9, 12), 2.5, dtype)
    yield "whole numbers, many ties", rng.integers(-2, 3, (19, 33, 28)).astype(dtype)
    yield "odd plane", normal(5, 7, 9)
    yield "plane of two", normal(5, 1, 2)
    yield "one pixel", normal(12, 1, 1)
    yield "one class", normal(1, 8, 8)
    yield "two classes", normal(2, 8, 8)
    yield "255 classes", normal(255, 12, 16)
    nan = normal(12, 24, 32)
    nan[rng.random(nan.shape) < 0.02] = np.nan
    nan[0, 0, 0] = nan[11, 0, 1] = np.nan
    yield "NaN here and there", nan
    yield "NaN everywhere", np.full((4, 8, 8), np.nan, dtype)
    infinite = normal(6, 16, 24)
    infinite[rng.random(infinite.shape) < 0.2] = np.inf
    infinite[rng.random(infinite.shape) < 0.2] = -np.inf
    yield "infinities", infinite
    yield "minus infinity everywhere", np.full((4, 8, 8), -np.inf, dtype)
    yield "plus infinity everywhere", np.full((4, 8, 8), np.inf, dtype)
    tiny = np.finfo(dtype).smallest_subnormal
    yield "subnormals and zeros of both signs", rng.choice(np.array([0, -0.0, tiny, -tiny], dtype), (9, 16, 16))
    edge = np.finfo(dtype).max
    yield "largest values", rng.choice(np.array([edge, -edge, 0], dtype), (9, 16, 16))
    margins = np.zeros((3, 4, 8), dtype)
    margins[1] = rng.choice(np.array([0.5, 0.6931, 0.6934, 0.75], dtype), (4, 8))
    yield "margins around the threshold", margins
