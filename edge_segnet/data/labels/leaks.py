"""The same, or nearly the same, picture in two parts of a data set: then validation measures memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.selection import NEAR, normalised
from edge_segnet.data.labels.survey import Facts

_ROWS: Final = 2048
"""Pictures compared at once: 2048 x 20,000 correlations take 160 MB."""


@dataclass(frozen=True)
class Leak:
    """Two pictures of different parts; ``likeness`` 1 for equal pixels, else the thumbnails' correlation."""

    first: Facts
    second: Facts
    likeness: float


def find_leaks(facts: Sequence[Facts]) -> list[Leak]:
    """For every picture of a later part its nearest one in an earlier part, if that is near; the likest first."""
    parts: dict[str, list[Facts]] = {}
    for one in facts:
        if one.thumb is not None:
            parts.setdefault(one.split, []).append(one)
    groups = list(parts.values())
    leaks = [
        leak for index, first in enumerate(groups) for second in groups[index + 1 :] for leak in _between(first, second)
    ]
    return sorted(leaks, key=lambda leak: -leak.likeness)


def _between(first: list[Facts], second: list[Facts]) -> list[Leak]:
    digests = {one.digest: one for one in first}
    library = _normalised(first)
    leaks = []
    for start in range(0, len(second), _ROWS):
        group = second[start : start + _ROWS]
        likeness = _normalised(group) @ library.T
        nearest = likeness.argmax(axis=1)
        for one, place, value in zip(group, nearest, likeness.max(axis=1), strict=True):
            if one.digest in digests:
                leaks.append(Leak(digests[one.digest], one, 1.0))
            elif value >= NEAR:
                leaks.append(Leak(first[int(place)], one, min(float(value), 0.9999)))
    return leaks


def _normalised(facts: list[Facts]) -> NDArray[np.float32]:
    return normalised(np.stack([one.thumb for one in facts if one.thumb is not None]))
