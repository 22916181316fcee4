"""Draws things into one frame. The canvas carries the label as its fourth channel, so that whatever colours a pixel
also labels it: the ground truth is exact by construction."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.types import Image, Labels
from edge_segnet.street.camera import View
from edge_segnet.street.light import Light, Vector
from edge_segnet.street.texture import Ripmap

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST = range(11)
"""CamVid-11 ids."""
Colour = tuple[float, float, float]
NEAR_M = 1.6
"""What is nearer is cut off, since a projection has no place for a distance of 0."""
_TINY_PX = 3.0
"""What is smaller is drawn as a flat colour, without its texture."""
_FIXED = 4
"""Bits behind the point of corners in OpenCV's ``shift``: a sixteenth of a pixel."""


class Stage:
    """A canvas uint8 [H,W,4] (BGR, label) with the view and light of the frame that is being drawn."""

    def __init__(self, size: tuple[int, int]) -> None:
        width, height = size
        self.width, self.height = width, height
        self.canvas: Image = np.zeros((height, width, 4), np.uint8)
        self.view: View
        self.light: Light
        self._haze: list[float] = [0.0, 0.0, 0.0]

    def begin(self, view: View, light: Light) -> None:
        self.view, self.light = view, light
        self._haze = light.haze.tolist()

    def tone(self, colour: Colour, gain: Vector, z: float) -> list[float]:
        """``colour`` (BGR 0-255) as it looks under ``gain`` behind ``z`` metres of haze."""
        veil = self.light.veil(z)
        clear = 1.0 - veil
        blue, green, red = gain.tolist()
        haze = self._haze
        return [
            min(255.0, colour[0] * blue * clear + haze[0] * veil),
            min(255.0, colour[1] * green * clear + haze[1] * veil),
            min(255.0, colour[2] * red * clear + haze[2] * veil),
        ]

    def polygon(self, points: Sequence[tuple[float, float]], tone: Sequence[float], label: int) -> None:
        """Fill a convex polygon ([N,2] pixels) with a colour that ``tone`` has made."""
        fixed = np.array([(int(16.0 * u), int(16.0 * v)) for u, v in points], np.int32)
        cv2.fillConvexPoly(self.canvas, fixed, (tone[0], tone[1], tone[2], float(label)), cv2.LINE_8, _FIXED)

    def fill(self, fixed: NDArray[np.int32], tone: Sequence[float]) -> None:
        """Fill a convex polygon ([N,2], sixteenths of a pixel) with BGR and label."""
        cv2.fillConvexPoly(self.canvas, fixed, tone, cv2.LINE_8, _FIXED)

    def ground(self, s: Sequence[float], t: Sequence[float], colour: Colour, label: int) -> None:
        """Fill a polygon that lies on the ground, given by its corners; it is clipped in front of the camera."""
        near = self.view.s + NEAR_M
        if max(s) <= near:
            return
        depth = np.maximum(np.asarray(s, dtype=np.float64), near)
        points = self.view.points(depth, np.asarray(t, dtype=np.float64), np.zeros(len(s)))
        fixed = (points * 16.0).astype(np.int32)
        tone = self.tone(colour, self.light.ground, float(depth.mean()) - self.view.s)
        cv2.fillPoly(self.canvas, [fixed], (tone[0], tone[1], tone[2], float(label)), cv2.LINE_8, _FIXED)

    def _light_up(self, patch: Image, gain: Vector, z: float, label: int) -> tuple[Image, Labels]:
        """Light and haze for a patch BGRA; returns BGR+label and the mask of its opaque pixels."""
        veil = self.light.veil(z)
        clear = 1.0 - veil
        blue, green, red = gain.tolist()
        haze = self._haze
        matrix = np.array(
            (
                (blue * clear, 0.0, 0.0, 0.0, haze[0] * veil),
                (0.0, green * clear, 0.0, 0.0, haze[1] * veil),
                (0.0, 0.0, red * clear, 0.0, haze[2] * veil),
                (0.0, 0.0, 0.0, 0.0, label),
            ),
            np.float32,
        )
        mask = cv2.threshold(cv2.extractChannel(patch, 3), 127, 255, cv2.THRESH_BINARY)[1]
        return np.asarray(cv2.transform(patch, matrix), np.uint8), np.asarray(mask, np.uint8)

    def _window(self, points: Sequence[tuple[float, float]]) -> tuple[int, int, int, int] | None:
        (u0, v0), (u1, v1), (u2, v2), (u3, v3) = points
        left, top = max(0, math.floor(min(u0, u1, u2, u3))), max(0, math.floor(min(v0, v1, v2, v3)))
        right, bottom = (
            min(self.width, math.ceil(max(u0, u1, u2, u3))),
            min(self.height, math.ceil(max(v0, v1, v2, v3))),
        )
        return (left, top, right, bottom) if right > left and bottom > top else None

    def blend(
        self, patch: Image, window: tuple[int, int, int, int], gain: Vector, z: float, label: int, solid: bool = False
    ) -> None:
        """Lay a patch BGRA into ``window`` (left, top, right, bottom), lit and hazed, where it is opaque."""
        left, top, right, bottom = window
        target = self.canvas[top:bottom, left:right]
        drawn, mask = self._light_up(patch, gain, z, label)
        if solid:
            # Bars and their gaps: the picture mixes by alpha, the label covers the whole panel, as people label it.
            bars = cv2.extractChannel(patch, 3)
            panel = cv2.threshold(bars, 8, 255, cv2.THRESH_BINARY)[1]
            weight = cv2.merge([bars, bars, bars, panel])
            ours = cv2.multiply(drawn, weight, scale=1.0 / 255.0)
            theirs = cv2.multiply(target, cv2.bitwise_not(weight), scale=1.0 / 255.0)
            cv2.add(ours, theirs, dst=target)
            return
        cv2.copyTo(drawn, mask, target)

    def quad(
        self,
        texture: Ripmap,
        corners: Sequence[tuple[float, float]],
        gain: Vector,
        z: float,
        label: int,
        cut: tuple[float, float] = (0.0, 1.0),
        solid: bool = False,
    ) -> None:
        """Draw a flat rectangle seen in perspective.

        ``corners``: pixels of top left, top right, bottom right, bottom left; ``cut``: the share of the texture's width
        that lies between them.
        """
        window = self._window(corners)
        if window is None:
            return
        first, second, third, fourth = corners
        across = max(abs(second[0] - first[0]), abs(third[0] - fourth[0]), 0.5)
        down = max(abs(fourth[1] - first[1]), abs(third[1] - second[1]), 0.5)
        level = texture.level(texture.width * (cut[1] - cut[0]) / across, 0.8 * texture.height / down)
        high, wide = level.shape[:2]
        left, right = cut[0] * wide - 0.5, cut[1] * wide - 0.5
        source = np.array([[left, -0.5], [right, -0.5], [right, high - 0.5], [left, high - 0.5]], np.float32)
        target = np.array([(u - window[0], v - window[1]) for u, v in corners], np.float32)
        matrix = cv2.getPerspectiveTransform(source, target)
        size = (window[2] - window[0], window[3] - window[1])
        patch = cv2.warpPerspective(level, matrix, size, flags=cv2.INTER_LINEAR)
        self.blend(np.asarray(patch, np.uint8), window, gain, z, label, solid)

    def upright(
        self,
        texture: Ripmap,
        foot: tuple[float, float],
        size: tuple[float, float],
        gain: Vector,
        z: float,
        label: int,
        flip: bool = False,
    ) -> None:
        """Draw a texture upright and facing the camera; ``foot``: middle of its lower edge, ``size``: (w,h), pixels."""
        wide, high = size
        left, top = foot[0] - 0.5 * wide, foot[1] - high
        if high < 1.5 or left >= self.width or left + wide <= 0.0:
            return
        window = self._window(((left, top), (left + wide, top), (left + wide, foot[1]), (left, foot[1])))
        if window is None:
            return
        level = texture.level(texture.width / wide, texture.height / high)
        scale_x, scale_y = level.shape[1] / wide, level.shape[0] / high
        start = (window[0] + 0.5 - left) * scale_x - 0.5
        if flip:
            start, scale_x = level.shape[1] - 1.0 - start, -scale_x
        matrix = np.array([[scale_x, 0.0, start], [0.0, scale_y, (window[1] + 0.5 - top) * scale_y - 0.5]])
        patch = cv2.warpAffine(
            level, matrix, (window[2] - window[0], window[3] - window[1]), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        self.blend(np.asarray(patch, np.uint8), window, gain, z, label)

    def wall(
        self,
        texture: Ripmap,
        run: tuple[float, float],
        t: float,
        heights: tuple[float, float],
        gain: Vector,
        label: int,
        lean: float = 0.0,
        solid: bool = False,
    ) -> None:
        """Draw a rectangle along the street: ``run`` (from s, to s), at ``t``, between ``heights`` (low, high).

        Its upper edge stands ``lean`` metres further right than its lower one (roofs).
        """
        view = self.view
        start, end = max(run[0] - view.s, NEAR_M), run[1] - view.s
        if end <= start + 0.05:
            return
        first, last = self._edge(start, t, heights, lean), self._edge(end, t, heights, lean)
        skipped = (start - run[0] + view.s) / (run[1] - run[0])
        # Textures read from left to right for somebody who stands in the street.
        if t < 0.0:
            corners, cut = (first[0], last[0], last[1], first[1]), (skipped, 1.0)
        else:
            corners, cut = (last[0], first[0], first[1], last[1]), (0.0, 1.0 - skipped)
        left, right = corners[0][0], corners[1][0]
        if right <= left or corners[2][0] <= 0.0 or corners[3][0] >= self.width:
            return
        if (right - left < _TINY_PX or corners[3][1] - corners[0][1] < _TINY_PX) and not solid:
            self.polygon(corners, self.tone(texture.mean, gain, start), label)
            return
        self.quad(texture, corners, gain, 0.5 * (start + end), label, cut, solid)

    def _edge(
        self, z: float, t: float, heights: tuple[float, float], lean: float
    ) -> tuple[tuple[float, float], tuple[float, float]]:
        """The upper and lower end of a wall's edge at depth ``z``."""
        view = self.view
        scale = view.f / z
        u = view.cx + scale * (t + view.bend(z) - view.t)
        return (u + scale * lean, view.cy + scale * (view.eye - heights[1])), (
            u,
            view.cy + scale * (view.eye - heights[0]),
        )

    def across(
        self,
        texture: Ripmap,
        s: float,
        run: tuple[float, float],
        heights: tuple[float, float],
        gain: Vector,
        label: int,
    ) -> None:
        """Draw a rectangle that faces the camera at ``s``, from t = run[0] to run[1], between ``heights``."""
        z = s - self.view.s
        if z < NEAR_M:
            return
        left, top = self.view.point(s, run[0], heights[1])
        right, bottom = self.view.point(s, run[1], heights[0])
        self.upright(texture, (0.5 * (left + right), bottom), (right - left, bottom - top), gain, z, label)
