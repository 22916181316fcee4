"""What every decode has to say, in NumPy; and adversarial logits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Logits = NDArray[Any]
"""float16 or float32 [C,H,W]"""


@dataclass(frozen=True, eq=False)
class Decoded:
    """What every head says of logits. ``winning`` is the sum over whole pixels, exact; float32 sums come near it."""

    labels: NDArray[np.uint8]
    margins: NDArray[np.uint8]
    counts: NDArray[np.int64]
    uncertain: NDArray[np.int64]
    winning: float
    broken: int


def decode(logits: Logits, temperature: float = 1.0, classes: int | None = None) -> Decoded:
    """``classes``, the id of void, is the number of channels, or one less where the last channel is void."""
    void = logits.shape[0] if classes is None else classes
    wide = logits.astype(np.float32)
    ordered = np.sort(wide, axis=0)  # NaN comes last
    best = ordered[-1]
    second = ordered[-2] if len(ordered) > 1 else np.full_like(best, -np.inf)
    whole = np.isfinite(best)
    labels = np.where(whole, np.where(np.isnan(wide), -np.inf, wide).argmax(axis=0), void).astype(np.uint8)
    with np.errstate(invalid="ignore", over="ignore"):
        lead = (best - second) * np.float32(16 / (temperature * np.log(2)))
        margins = np.where(whole, np.minimum(lead, np.float32(255)), 0).astype(np.uint8)
    counts = np.bincount(labels.ravel(), minlength=void + 1)
    uncertain = np.bincount(labels[margins < 16], minlength=void + 1)[:void]
    return Decoded(labels, margins, counts, uncertain, float(best[whole].sum(dtype=np.float64)), int((~whole).sum()))


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
