"""Have two classes changed places? Each class's spread over the height of a street against CamVid's."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap
from edge_segnet.data.labels.shift import divergence, reference_rows

_ENOUGH: Final = 0.004
"""Share of the pixels that a class needs before its place says anything."""
_FAR: Final = 0.35
"""Bits of Jensen-Shannon divergence from CamVid that the two must have as they are called. No stretch of 40 frames of
CamVid is taken for a swap; from 0.22 on two of eleven are.
"""
_NEAR: Final = 0.5
"""Share of that distance that may be left when they change names."""


@dataclass(frozen=True)
class Swap:
    """Two classes whose names fit better the other way round; distances in bits."""

    first: str
    second: str
    given: float
    better: float


def find_swap(bands: NDArray[np.int64], classes: ClassMap) -> Swap | None:
    """The pair of classes that gains most by changing places, if it gains clearly; ``bands``: int64 [8,256]."""
    rows = reference_rows(classes)
    found = bands[:, : len(classes)].T.astype(float)
    total = max(bands.sum(), 1)
    known = [place for place in rows if found[place].sum() > _ENOUGH * total]
    swaps = []
    for first, second in combinations(known, 2):
        here, there = found[[first, second]], np.stack([rows[first], rows[second]])
        given, better = divergence(here, there), divergence(here[::-1], there)
        if given > _FAR and better < _NEAR * given:
            swaps.append(Swap(classes.names[first], classes.names[second], given, better))
    return max(swaps, key=lambda swap: swap.given - swap.better, default=None)
