"""Polygons: what is refused, and which pixels lie inside."""

from __future__ import annotations

import numpy as np
import pytest

from edge_segnet.core.polygons import area, fault, mask_of

SQUARE = [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([[0, 0], [1, 1], [1, 0], [0, 1]], "crosses itself (the edges after corner 1 and corner 3)"),
        ([[0, 0], [1, 0], [1, 1], [0.5, 0], [0, 1]], "crosses itself"),  # a corner on another edge
        ([[0, 0], [1, 0], [0.5, 0], [0, 1]], "crosses itself"),  # an edge back over the last one
        ([[0, 0], [1, 0], [1, 0], [0, 1]], "corner 2 stands twice"),
        ([[0, 0], [1, 0], [0, 1], [0, 0]], "corner 4 stands twice"),
        ([[0, 0], [0.5, 0.5], [1, 1]], "crosses itself"),  # a line
    ],
)
def test_what_is_no_outline_is_refused(points: list[list[float]], said: str) -> None:
    found = fault(points)
    assert found is not None and found[0].startswith(said)
    assert str(fault(points[::-1])) != "None"


@pytest.mark.parametrize(
    "points",
    [
        SQUARE,
        SQUARE[::-1],
        [[0.1, 0.1], [0.5, 0.1], [0.9, 0.1], [0.5, 0.9]],  # a corner within a straight edge
        [[0, 0], [1, 0], [1, 1], [0.5, 0.2], [0, 1]],  # concave
    ],
)
def test_simple_outlines_are_accepted(points: list[list[float]]) -> None:
    assert fault(points) is None


def test_a_pixel_belongs_to_the_polygon_that_holds_its_centre() -> None:
    mask = mask_of(SQUARE, (8, 4))
    assert mask.shape == (4, 8) and mask.sum() == 4 * 2 and mask[1:3, 2:6].all()
    assert np.array_equal(mask, mask_of(SQUARE[::-1], (8, 4)))
    assert mask_of([[0, 0], [1, 0], [1, 1], [0, 1]], (7, 5)).all()


def test_neighbours_share_no_pixel_and_leave_none_out() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        middle = [float(value) for value in rng.uniform(0.1, 0.9, 2)]
        corners = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
        parts = [[corners[i], corners[(i + 1) % 4], middle] for i in range(4)]
        together = sum(mask_of(part, (61, 47)).astype(int) for part in parts)
        assert np.array_equal(together, np.ones((47, 61), int))


def test_the_mask_has_the_polygons_area() -> None:
    trapezium = [[0.3, 0.95], [0.7, 0.95], [0.55, 0.6], [0.45, 0.6]]
    share = mask_of(trapezium, (480, 360)).mean()
    assert abs(share - abs(area(trapezium))) < 0.001
