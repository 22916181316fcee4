"""Have two classes changed places? Who borders on whom in a street, against CamVid."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap
from edge_segnet.data.labels.shift import REFERENCE, divergence, reference_name

# fmt: off
NEIGHBOURS: Final = {
    "sky": (
        (0, 56, 8, 0, 0, 119, 1, 0, 1, 0, 0, 82),
        (0, 6, 7, 0, 0, 88, 0, 0, 0, 0, 0, 73),
        (0, 76, 44, 0, 0, 258, 2, 0, 0, 0, 0, 179),
    ),
    "building": (
        (7, 0, 23, 1, 62, 16, 23, 7, 37, 14, 6, 42),
        (71, 0, 21, 0, 0, 29, 22, 13, 2, 6, 1, 23),
        (96, 0, 161, 1, 23, 54, 63, 11, 27, 49, 13, 76),
    ),
    "pole": (
        (15, 38, 0, 3, 12, 19, 4, 4, 3, 1, 0, 18),
        (18, 41, 0, 2, 4, 21, 6, 4, 2, 1, 0, 19),
        (101, 289, 0, 15, 43, 130, 30, 30, 13, 5, 1, 107),
    ),
    "road": (
        (0, 0, 2, 0, 35, 5, 0, 0, 7, 2, 7, 56),
        (0, 3, 3, 0, 251, 5, 1, 1, 115, 6, 20, 70),
        (0, 2, 16, 0, 136, 4, 1, 0, 108, 18, 60, 67),
    ),
    "pavement": (
        (0, 1, 5, 266, 0, 5, 1, 0, 3, 4, 3, 16),
        (0, 133, 15, 37, 0, 11, 2, 16, 4, 16, 4, 79),
        (0, 50, 51, 144, 0, 7, 2, 7, 15, 36, 15, 57),
    ),
    "tree": (
        (112, 29, 12, 2, 5, 0, 9, 20, 10, 1, 1, 39),
        (151, 16, 11, 2, 2, 0, 6, 2, 2, 0, 0, 16),
        (327, 54, 72, 2, 3, 0, 23, 9, 9, 2, 1, 52),
    ),
    "signsymbol": (
        (1, 107, 16, 2, 3, 30, 0, 3, 5, 0, 0, 31),
        (4, 109, 12, 0, 2, 41, 0, 1, 1, 0, 0, 24),
        (11, 300, 80, 2, 5, 111, 0, 5, 10, 1, 0, 80),
    ),
    "fence": (
        (0, 91, 14, 2, 50, 11, 1, 0, 16, 10, 4, 76),
        (0, 46, 16, 0, 0, 136, 4, 0, 16, 5, 1, 49),
        (0, 73, 116, 2, 22, 62, 8, 0, 16, 31, 7, 116),
    ),
    "car": (
        (0, 5, 3, 190, 7, 7, 1, 8, 0, 3, 3, 28),
        (3, 122, 5, 12, 4, 34, 4, 8, 0, 6, 2, 57),
        (2, 90, 24, 178, 24, 29, 7, 8, 0, 18, 14, 96),
    ),
    "pedestrian": (
        (0, 36, 2, 16, 42, 1, 0, 4, 9, 0, 2, 42),
        (0, 79, 2, 7, 10, 4, 0, 8, 5, 0, 1, 38),
        (0, 276, 16, 50, 97, 11, 1, 26, 31, 0, 6, 178),
    ),
    "bicyclist": (
        (0, 13, 1, 98, 17, 1, 0, 1, 6, 1, 0, 22),
        (1, 55, 1, 34, 13, 7, 1, 6, 10, 3, 0, 30),
        (1, 127, 5, 296, 71, 12, 1, 10, 41, 11, 0, 105),
    ),
}
# fmt: on
"""Thousandths of a class's borders, by what lies below it, above it and beside it, in the order of ``REFERENCE``:
CamVid's 367 training and 101 validation frames with 11 classes (``python -m tools.reference_shares``).
"""
_ENOUGH: Final = 0.002
"""Share of the pixels that a class needs before its neighbours say anything."""
_FEWEST: Final = 3
"""Label images: of one or two frames of CamVid now and then a pair is taken for a swap."""
_SURE: Final = 15
"""Label images. From so many on, no stretch of one of CamVid's drives is taken for a swap when the others are the
reference; below, two classes must gain more."""
_GAIN: Final = {True: (0.035, 0.8), False: (0.1, 0.6)}
"""By whether there are so many: bits of divergence that names the other way round must save, and the share that may be
left. With them all 55 pairs of 11 classes are found in the whole of CamVid, and in each drive with the others as the
reference, where both classes occur there.
"""
Borders = NDArray[np.int64]


@dataclass(frozen=True)
class Swap:
    """Two classes whose names fit better the other way round; distances in bits."""

    first: str
    second: str
    given: float
    better: float


def find_swap(borders: Borders, pixels: NDArray[np.int64], classes: ClassMap, void: int, images: int) -> Swap | None:
    """The two classes that, named the other way round, make the set most like CamVid, if they gain clearly.

    Args:
        borders: int64 [2,256,256]: how often a value (first) lies above another, and left of another.
        pixels: of each value, int64 [256].
        void: the value of void.
        images: how many label images they are of.
    """
    if images < _FEWEST:
        return None
    names = [reference_name(name) for name in classes.names]
    columns = {name: index for index, name in enumerate(REFERENCE)}
    known = {place: name for place, name in enumerate(names) if name in NEIGHBOURS and names.count(name) == 1}
    enough = [place for place in known if pixels[place] > _ENOUGH * max(pixels.sum(), 1)]
    meaning = np.full(256, -1)
    meaning[: len(names)] = [columns.get(name, -1) for name in names]
    meaning[void] = columns["void"]
    truth = {place: np.array(NEIGHBOURS[known[place]], float) for place in enough}
    gain, left = _GAIN[images >= _SURE]
    swaps: list[tuple[float, Swap]] = []
    found = _tables(borders, meaning, enough)
    for first, second in combinations(enough, 2):
        others = [column for column in range(len(columns)) if column not in (meaning[first], meaning[second])]
        pair = [(first, second), (second, first)]
        given = sum(divergence(found[one][:, others], truth[one][:, others]) for one, _ in pair) / 2
        better = sum(divergence(found[one][:, others], truth[other][:, others]) for one, other in pair) / 2
        if given - better > gain and better < left * given:
            turned = meaning.copy()
            turned[[first, second]] = meaning[[second, first]]
            exchanged = dict(pair)
            again = _tables(borders, turned, enough)
            whole = sum(divergence(again[one], truth[exchanged.get(one, one)]) for one in enough)
            swaps.append((whole, Swap(classes.names[first], classes.names[second], given, better)))
    return min(swaps, key=lambda swap: swap[0])[1] if swaps else None


def _tables(borders: Borders, meaning: NDArray[np.int64], places: list[int]) -> dict[int, NDArray[np.float64]]:
    """Of each value in ``places``: how often each of CamVid's classes is below, above and beside it, float64 [3,12]."""
    above, beside = borders[0].astype(float), (borders[1] + borders[1].T).astype(float)
    there = meaning >= 0
    tables = {}
    for place in places:
        table = np.zeros((3, len(REFERENCE)))
        for row, counts in enumerate((above[place], above[:, place], beside[place])):
            np.add.at(table[row], meaning[there], counts[there])
        tables[place] = table
    return tables
