"""Shadows on the floor: collected while things name theirs, then projected together, which is what makes them cheap."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edge_segnet.core.types import Image
from edge_segnet.street.camera import Floats, View
from edge_segnet.street.light import Light
from edge_segnet.street.stage import NEAR_M

CORNERS = 6
SUNLESS = 0.9
"""Above this share of remaining light nothing throws a shadow that could be seen."""


class Shadows:
    """Polygons on the floor for one frame. Overlapping shadows do not add up: the darkest wins."""

    def __init__(self, view: View, light: Light) -> None:
        self.view, self.light = view, light
        self.sunny = light.shadow < SUNLESS
        self._s: list[Sequence[float]] = []
        self._t: list[Sequence[float]] = []
        self._strengths: list[int] = []

    def dark(self, depth: float = 1.0) -> int:
        """How much of 255 is left in the sun's shadow."""
        return int(255 * (1.0 - depth * (1.0 - self.light.shadow)))

    def ahead(self, s: float) -> float:
        """Metres from the camera."""
        return s - self.view.s

    def cast(self, s: Sequence[float], t: Sequence[float], strength: int) -> None:
        """Darken the convex polygon (s, t) of at most six corners to ``strength`` of 255."""
        missing = CORNERS - len(s)
        self._s.append((*s, *(s[-1],) * missing))
        self._t.append((*t, *(t[-1],) * missing))
        self._strengths.append(strength)

    def box(self, s: tuple[float, float], t: tuple[float, float], strength: int) -> None:
        """Darken a rectangle."""
        self.cast((s[0], s[1], s[1], s[0]), (t[0], t[0], t[1], t[1]), strength)

    def post(self, s: float, t: float, height: float) -> None:
        """The thin shadow of something upright."""
        if self.sunny and self.ahead(s) < 60.0:
            along, across = self.light.reach * height, self.light.lean * height
            self.cast(
                (s - 0.09, s + 0.09, s + along + 0.09, s + along - 0.09), (t, t, t + across, t + across), self.dark(0.9)
            )

    def many(self, s: Floats, t: Floats, strength: int) -> None:
        """Darken [N,6] polygons."""
        self._s.extend(s.tolist())
        self._t.extend(t.tolist())
        self._strengths.extend([strength] * len(s))

    def fill(self, mask: Image) -> None:
        """Write the shadows into ``mask`` uint8 [H,W], which is 255 where there are none."""
        if not self._s:
            return
        s, t = np.array(self._s, np.float64), np.array(self._t, np.float64)
        near = self.view.s + NEAR_M
        points = self.view.points(np.maximum(s, near), t, np.zeros_like(s))
        fixed = (points * 16.0).astype(np.int32)
        seen = s.max(axis=1) > near
        strengths = np.array(self._strengths)
        for number in np.argsort(-strengths, kind="stable").tolist():
            if seen[number]:
                cv2.fillConvexPoly(mask, fixed[number], self._strengths[number], cv2.LINE_8, 4)
