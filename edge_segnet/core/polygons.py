"""Polygons in coordinates relative to a picture (x to the right, y down, 0 to 1): checked, and made into masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Point = Sequence[float]
MAX_POINTS: Final = 64
"""Corners: every edge is compared with every other, and nobody draws more by hand."""


def fault(points: Sequence[Point]) -> tuple[str, str] | None:
    """What is wrong with a polygon, and what to do; None if its outline is simple and encloses an area."""
    for number, (point, following) in enumerate(_edges(points)):
        if tuple(point) == tuple(following):
            return f"corner {number + 1} stands twice", "remove one of the two"
    if crossing := _crossing(points):
        first, second = crossing
        what = f"crosses itself (the edges after corner {first + 1} and corner {second + 1})"
        return what, "give the corners in their order along the outline"
    if abs(area(points)) < 1e-9:
        return "encloses no area", "its corners lie on one line"
    return None


def area(points: Sequence[Point]) -> float:
    """The shoelace formula; of the picture's area, positive where the corners go clockwise on the screen."""
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in _edges(points)) / 2.0


def mask_of(points: Sequence[Point], size: tuple[int, int]) -> NDArray[np.bool_]:
    """bool [H,W] for ``size`` (width, height): the pixels whose centre lies inside, by the even-odd rule. Polygons
    that share an edge share no pixel.
    """
    width, height = size
    x = (np.arange(width) + 0.5)[np.newaxis, :]
    y = (np.arange(height) + 0.5)[:, np.newaxis]
    inside = np.zeros((height, width), np.bool_)
    for a, b in _edges([(px * width, py * height) for px, py in points]):
        (ax, ay), (bx, by) = sorted((a, b), key=lambda point: point[1])  # the same crossing from both sides
        if ay != by:
            crosses = (ay <= y) & (y < by)
            inside ^= crosses & (x >= ax + (y - ay) * (bx - ax) / (by - ay))
    return inside


def _edges(points: Sequence[Point]) -> list[tuple[Point, Point]]:
    return list(zip(points, [*points[1:], *points[:1]], strict=True))


def _crossing(points: Sequence[Point]) -> tuple[int, int] | None:
    """Numbers of two edges that touch or cross away from a corner that they share."""
    edges = _edges(points)
    for first in range(len(edges)):
        for second in range(first + 1, len(edges)):
            neighbours = second == first + 1 or (first == 0 and second == len(edges) - 1)
            if neighbours and not _folds_back(edges[first], edges[second], second == first + 1):
                continue
            if neighbours or _meet(*edges[first], *edges[second]):
                return first, second
    return None


def _folds_back(first: tuple[Point, Point], second: tuple[Point, Point], forward: bool) -> bool:
    """Whether two edges that share a corner lie on each other."""
    (start, corner), (_, end) = (first, second) if forward else (second, first)
    along = (corner[0] - start[0]) * (end[0] - corner[0]) + (corner[1] - start[1]) * (end[1] - corner[1])
    return _side(start, corner, end) == 0 and along < 0.0


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the segments ab and cd have a point in common."""
    sides = (_side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b))
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    touching = zip(sides, ((a, b, c), (a, b, d), (c, d, a), (c, d, b)), strict=True)
    return any(side == 0 and _between(*three) for side, three in touching)


def _side(a: Point, b: Point, point: Point) -> int:
    """-1, 0 or 1: on which side of the line ab a point lies."""
    cross = (b[0] - a[0]) * (point[1] - a[1]) - (b[1] - a[1]) * (point[0] - a[0])
    return 0 if abs(cross) < 1e-12 else (1 if cross > 0.0 else -1)


def _between(a: Point, b: Point, point: Point) -> bool:
    """Of a point on the line ab."""
    return all(min(a[axis], b[axis]) <= point[axis] <= max(a[axis], b[axis]) for axis in (0, 1))
