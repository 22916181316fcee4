"""Are the ids off by one? A data set's class shares and positions against CamVid's, under each way to number them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import CAMVID_11, CAMVID_12, ClassMap
from edge_segnet.data.labels.survey import BANDS

# fmt: off
REFERENCE: Final = {
    "sky": (6732, 5020, 2737, 648, 53, 0, 0, 0),
    "building": (3386, 4451, 5606, 6330, 3209, 806, 55, 0),
    "pole": (61, 95, 160, 266, 222, 73, 14, 2),
    "road": (0, 0, 0, 9, 2245, 7016, 10473, 11331),
    "pavement": (0, 0, 0, 4, 1142, 2236, 1389, 629),
    "tree": (2018, 2543, 3304, 2440, 655, 165, 24, 2),
    "signsymbol": (84, 152, 305, 378, 164, 25, 3, 0),
    "fence": (0, 0, 34, 716, 620, 146, 28, 4),
    "car": (0, 7, 70, 656, 2359, 1417, 393, 74),
    "pedestrian": (0, 0, 1, 159, 373, 98, 10, 1),
    "bicyclist": (0, 0, 1, 104, 357, 178, 54, 12),
    "void": (219, 233, 283, 789, 1099, 340, 57, 445),
}
# fmt: on
"""Hundred-thousandths of all pixels, per class and eighth of the height from the top: CamVid's 367 training and 101
validation frames with 11 classes (``python -m tools.reference_shares``).
"""
_ALSO: Final = {
    "road_marking": "road", "sidewalk": "pavement", "vegetation": "tree", "traffic sign": "signsymbol",
    "person": "pedestrian", "rider": "bicyclist", "bicycle": "bicyclist", "truck": "car", "bus": "car",
    "unlabelled": "void", "unlabeled": "void", "terrain": "tree", "wall": "fence", "traffic light": "signsymbol",
}  # fmt: skip
_KNOWN_NAMES: Final = 6
"""Classes of a street that a map must have before it is compared with streets."""
_CLEARLY: Final = 0.75
"""The better numbering must have at most this share of the given one's distance."""
_NEAR: Final = 0.35
"""And be at most this far from CamVid, in bits of Jensen-Shannon divergence (0: the same, 1: nothing in common)."""


@dataclass(frozen=True)
class Shift:
    """A numbering that fits better than the class map: what it would mean, and both distances."""

    meaning: str
    hint: str
    given: float
    better: float


def find_shift(bands: NDArray[np.int64], classes: ClassMap) -> Shift | None:
    """Compare ``bands`` (pixels per stripe and value, int64 [8,256]) with the reference under every numbering.

    Returns:
        The best other numbering if it is clearly nearer than the class map's own; None if that fits best, or if the
        classes are no street's, or if there are too few of them in the pictures to tell.
    """
    names = [*classes.names, "void"]
    if len({reference_name(name) for name in names} & set(REFERENCE)) < _KNOWN_NAMES + 1:
        return None
    if int((bands.sum(axis=0)[:256] > 0).sum()) < _KNOWN_NAMES or bands.sum() == 0:
        return None
    given = distance(bands, names)
    rivals = {key: distance(bands, numbering) for key, numbering in _numberings(classes).items()}
    best = min(rivals, key=lambda key: rivals[key])
    if rivals[best] > _NEAR or rivals[best] > _CLEARLY * given:
        return None
    meaning, hint = _MEANINGS.get(best, (best, "check where the labels come from"))
    return Shift(meaning, hint, given, rivals[best])


_MEANINGS: Final = {
    "camvid-12": (
        "the ids are CamVid's 12 classes (3 is Road_marking), the class map has others",
        "use --classes camvid-12, or: labels convert --classes camvid-12 --to camvid-11 --merge Road_marking=Road",
    ),
    "camvid-11": (
        "the ids are CamVid's 11 classes (3 is Road, 11 is void), the class map has others",
        "use --classes camvid-11: with the map given, classes are called by other classes' names",
    ),
    "from 1": (
        "the ids start at 1, and 0 is void",
        "take one off every id, or put a class for 0 into the class map",
    ),
    "from -1": ("the first class is missing: id 0 is the map's second class", "add one to every id"),
}


def _numberings(classes: ClassMap) -> dict[str, list[str]]:
    """Other things that ids could mean: names by id."""
    names = [*classes.names]
    others = {"from 1": ["void", *names], "from -1": [*names[1:], "void"]}
    lower = [name.lower() for name in names]
    for known in (CAMVID_11, CAMVID_12):
        if lower != [name.lower() for name in known.names]:
            others[known.name] = [*known.names, "void"]
    return others


def distance(bands: NDArray[np.int64], names: list[str]) -> float:
    """Jensen-Shannon divergence in bits between the pixels' spread over class and height and CamVid's; ids without a
    name, and names that CamVid doesn't have, agree with nothing.
    """
    rows = {name: index for index, name in enumerate(REFERENCE)}
    reference = np.zeros((len(REFERENCE) + 1, BANDS))
    reference[:-1] = np.array(list(REFERENCE.values()))
    found = np.zeros_like(reference)
    for value in range(256):
        name = reference_name(names[value]) if value < len(names) else ""
        found[rows.get(name, -1)] += bands[:, value]
    return divergence(found, reference)


def divergence(left: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Jensen-Shannon divergence of two spreads, in bits: 0 for the same, 1 for nothing in common."""
    if not (left.any() and right.any()):
        return float(left.any() or right.any())
    p, q = left.ravel() / left.sum(), right.ravel() / right.sum()
    middle = (p + q) / 2
    return float((_information(p, middle) + _information(q, middle)) / 2)


def _information(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    there = p > 0
    return float((p[there] * np.log2(p[there] / q[there])).sum())


def reference_name(name: str) -> str:
    """What CamVid calls a class, where it has it under another name."""
    return _ALSO.get(name.lower(), name.lower())
