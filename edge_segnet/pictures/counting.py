"""Label images to numbers, as fast as cv2 does it."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.margins import UNCERTAIN, uncertain_counts
from edge_segnet.core.types import Counts, Labels

_EXACT: Final = 1 << 24
"""Pixels up to which cv2's counts, which are float32, are exact."""
_DOUBT: Final = 0x80
_DOUBTED: Final = np.where(np.arange(256) < UNCERTAIN, _DOUBT, 0).astype(np.uint8)
"""Or-ed over the labels it makes two ids of a class, so that one pass counts both; 255 stays what it is."""


def histogram(labels: Labels) -> NDArray[np.int64]:
    """Pixels per id, int64 [256]."""
    if labels.size > _EXACT:
        half = len(labels) // 2
        return histogram(labels[:half]) + histogram(labels[half:])
    counted = cv2.calcHist([labels], [0], None, [256], [0, 256])
    return counted.ravel().astype(np.int64)


def look_up(labels: Labels, lut: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """``lut`` [256] of every pixel: what ``lut[labels]`` is, four times as fast."""
    return np.asarray(cv2.LUT(labels, lut), np.uint8)


def class_counts(found: NDArray[np.int64], classes: int, pixels: int) -> Counts:
    """Pixels per id [256] -> int64 [C+1], whose last entry is what of all ``pixels`` is no class."""
    counts = np.empty(classes + 1, np.int64)
    counts[:classes] = found[:classes]
    counts[classes] = pixels - found[:classes].sum()
    return counts


def with_uncertain(labels: Labels, margins: Labels | None, classes: int) -> tuple[NDArray[np.int64], Counts | None]:
    """Pixels per id [256], of which those of classes are right; and how many of each class [C] are uncertain, as
    ``core.margins.uncertain_counts``. ``labels`` are ids of classes, void (C) and 255.
    """
    if margins is None:
        return histogram(labels), None
    if classes >= _DOUBT:
        return histogram(labels), uncertain_counts(labels, margins, classes)
    found = histogram(labels | look_up(margins, _DOUBTED))
    uncertain = found[_DOUBT : _DOUBT + classes]
    found[:classes] += uncertain
    return found, uncertain
