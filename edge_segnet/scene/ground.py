"""Free distance: how far up from a region's lower edge the ground is drivable, in rows and in metres."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.types import Fit, FreeSpace, Labels
from edge_segnet.pictures.shape import middle
from edge_segnet.settings.regions import MountConfig

FAR_M: Final = 100.0
"""Farther away, a row of pixels is tens of metres of ground: this, and everything beyond, is one value."""


def distance_m(mount: MountConfig, x: float, y: float) -> float:
    """Metres along flat ground, from the point below the lens to what a pixel sees; ``FAR_M`` from there to the horizon
    and above.

    ``x``, ``y``: the pixel's place right of and below the principal point, in focal lengths. The ray (x, y, 1) of a
    pinhole camera (Hartley and Zisserman, Multiple View Geometry, 2nd ed., 6.1), turned down by the pitch, meets the
    plane that lies ``height_m`` below.
    """
    pitch = math.radians(mount.pitch_deg)
    down = y * math.cos(pitch) + math.sin(pitch)
    ahead = math.cos(pitch) - y * math.sin(pitch)
    if down <= 0.0:
        return FAR_M
    return min(FAR_M, mount.height_m / down * math.hypot(x, ahead))


def bearing_deg(mount: MountConfig, x: float) -> float:
    """Degrees to the right, on the horizon, of a column ``x`` focal lengths right of the principal point."""
    return math.degrees(math.atan2(x * math.cos(math.radians(mount.pitch_deg)), 1.0))


@dataclass(frozen=True)
class CameraGeometry:
    """How a camera's picture came to the network: ``size`` is the network's (width, height)."""

    size: tuple[int, int]
    source_size: tuple[int, int]
    fit: Fit

    def in_focal_lengths(self, mount: MountConfig, column: float, row: float) -> tuple[float, float]:
        """A place in the network's picture, in pixels from its upper left corner, as ``distance_m`` wants it."""
        width, height = self.source_size
        top, left = 0, 0
        if self.fit == "crop":
            top, left, height, width = middle((height, width), self.size)
        centre = mount.centre_px or [self.source_size[0] / 2.0, self.source_size[1] / 2.0]
        x = left + column * width / self.size[0] - centre[0]
        y = top + row * height / self.size[1] - centre[1]
        return x / mount.focal_px, y / mount.focal_px


class Sectors:
    """A region's stripes; ``mask`` bool [h,w] is the region within the box that begins at (``top``, ``left``)."""

    def __init__(self, mask: NDArray[np.bool_], top: int, left: int, count: int, share: float) -> None:
        self._edges = np.linspace(0, mask.shape[1], count + 1).round().astype(np.intp)
        pixels = np.add.reduceat(mask, self._edges[:-1], axis=1, dtype=np.int32)
        self._needed = np.ceil(pixels * share - 1e-9)
        self._needed[-1, ~pixels.any(axis=0)] = 1  # a sliver without a pixel is not free
        self._ends = mask.shape[0] - np.argmax(pixels[::-1] > 0, axis=0)
        """Below each stripe's last row."""
        self._starts = np.argmax(pixels > 0, axis=0)
        self._top, self._left = top, left
        self._columns = left + (self._edges[:-1] + self._edges[1:]) / 2.0
        self._metres: tuple[CameraGeometry, NDArray[np.float64], tuple[float, ...]] | None = None

    def measure(self, drivable: NDArray[np.uint8], view: CameraGeometry, mount: MountConfig | None) -> FreeSpace:
        """``drivable``, uint8 [h,w], is 1 where the region's pixels are drivable, 0 elsewhere in its box."""
        found = np.add.reduceat(drivable, self._edges[:-1], axis=1, dtype=np.int32)
        blocked = (found < self._needed)[::-1]
        first = len(found) - np.argmax(blocked, axis=0)
        reached = np.where(blocked.any(axis=0), first, self._starts)
        rows = tuple(int(row) for row in self._ends - reached)
        if mount is None:
            return FreeSpace(rows)
        table, bearings = self._table(view, mount)
        metres = table[reached, np.arange(len(rows))]
        return FreeSpace(rows, tuple(float(value) for value in metres), bearings)

    def _table(self, view: CameraGeometry, mount: MountConfig) -> tuple[NDArray[np.float64], tuple[float, ...]]:
        """Metres at every row's upper edge, in the middle of every stripe; made once per view."""
        if self._metres is None or self._metres[0] != view:
            places = [
                [view.in_focal_lengths(mount, column, self._top + row) for column in self._columns]
                for row in range(len(self._needed) + 1)
            ]
            table = np.array([[distance_m(mount, x, y) for x, y in line] for line in places])
            self._metres = view, table, tuple(bearing_deg(mount, x) for x, _ in places[0])
        return self._metres[1], self._metres[2]


def drivable_lut(ids: list[int]) -> Labels:
    """uint8 [256]: 1 for the ids that one can drive on."""
    lut = np.zeros(256, np.uint8)
    lut[ids] = 1
    return lut
