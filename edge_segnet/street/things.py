"""A thing of the street knows its place in the order of drawing, how it looks, and what shadow it throws."""

from __future__ import annotations

import math
from typing import ClassVar, Protocol

from edge_segnet.street.light import Light, Vector
from edge_segnet.street.shadows import Shadows
from edge_segnet.street.stage import Stage

PLOT_M = 24.0
Key = tuple[int, int, float]
BACKDROP, HOUSES, GARDEN, BORDER, STREET = range(5)
"""Layers of one plot, from the back to the front."""


class Thing(Protocol):
    """Something to draw. ``key`` sorts from the back to the front: minus the plot's number, layer, minus s."""

    key: Key
    reach_m: ClassVar[float]
    """Farther away it is too small to be missed."""

    def draw(self, stage: Stage) -> None: ...

    def shade(self, shadows: Shadows) -> None:
        """Throw a shadow on the floor."""
        ...


def street_key(s: float) -> Key:
    """The place of something that stands or moves in the street itself."""
    return -math.floor(s / PLOT_M), STREET, -s


def side_light(light: Light, t: float) -> Vector:
    """The light on a surface that looks at the street from where it stands."""
    return light.left if t < 0.0 else light.right
