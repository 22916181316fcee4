"""Do labels lie the right way round on their picture? Where classes change, pictures usually change too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.types import Image, Labels
from edge_segnet.pictures.shape import thumbnail

Turn = Literal["left to right", "upside down", "by half a turn"]
TURNS: Final[tuple[Turn, ...]] = ("left to right", "upside down", "by half a turn")
SIZE: Final = (160, 120)
"""(width, height) at which both are compared."""
CLEARLY: Final = 0.15
"""How much better one picture's labels must fit the other way round. CamVid's 468 training and validation pictures
exceed 0.13 nowhere; mirrored, four in five do.
"""


def gains(image: Image, ids: Labels) -> NDArray[np.float32]:
    """How much better the labels would fit mirrored (left to right, upside down, both), float32 [3], -2 to 2.

    The fit is the correlation of the picture's grey steps with the labels' borders.
    """
    steps, borders = _steps(image), _borders(ids)
    as_it_is = _likeness(steps, borders)
    turned = (borders[:, ::-1], borders[::-1], borders[::-1, ::-1])
    return np.array([_likeness(steps, each) - as_it_is for each in turned], np.float32)


def find_turn(found: Sequence[NDArray[np.float32]]) -> tuple[Turn, list[int]] | None:
    """The way in which a whole data set, or some of its pictures, are the wrong way round; and which pictures are.

    All of them, if most fit better so; else those that fit clearly better.
    """
    if not found:
        return None
    every = np.stack(found)
    mean, share = every.mean(axis=0), (every > 0).mean(axis=0)
    best = int(mean.argmax())
    enough = 0.05 if len(every) >= 5 else CLEARLY
    if mean[best] > enough and share[best] > 0.7:
        return TURNS[best], list(range(len(every)))
    clear = every > CLEARLY
    best = int(clear.sum(axis=0).argmax())
    places = [int(place) for place in np.flatnonzero(clear[:, best])]
    return (TURNS[best], places) if places else None


def _steps(image: Image) -> NDArray[np.float32]:
    grey = thumbnail(image, SIZE).astype(np.float32)
    steps = np.zeros_like(grey)
    steps[:, 1:] += np.abs(np.diff(grey, axis=1))
    steps[1:] += np.abs(np.diff(grey, axis=0))
    return np.asarray(np.sqrt(steps), np.float32)


def _borders(ids: Labels) -> NDArray[np.float32]:
    """1 where the class changes, and one pixel around."""
    rows = np.arange(SIZE[1]) * ids.shape[0] // SIZE[1]
    columns = np.arange(SIZE[0]) * ids.shape[1] // SIZE[0]
    small = ids[rows][:, columns]
    change = np.zeros(small.shape, bool)
    change[:, 1:] |= small[:, 1:] != small[:, :-1]
    change[1:] |= small[1:] != small[:-1]
    wide = change.copy()
    wide[1:] |= change[:-1]
    wide[:-1] |= change[1:]
    wide[:, 1:] |= change[:, :-1]
    wide[:, :-1] |= change[:, 1:]
    return np.asarray(wide, np.float32)


def _likeness(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    left, right = left - left.mean(), right - right.mean()
    length = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float((left * right).sum()) / length if length else 0.0
