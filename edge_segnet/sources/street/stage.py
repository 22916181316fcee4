"""Draws things into one frame. The canvas carries the label as its fourth channel, so that whatever colours a pixel
also labels it: the ground truth is exact by construction."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.sources.street.camera import Floats, View
from edge_segnet.sources.street.light import Light, Vector
from edge_segnet.sources.street.texture import Ripmap
from edge_segnet.types import Image, Labels

SKY, BUILDING, POLE, ROAD, PAVEMENT, TREE, SIGN, FENCE, CAR, PEDESTRIAN, BICYCLIST, VOID = range(12)
"""CamVid-11 ids."""
Colour = tuple[float, float, float]
NEAR_M = 1.6
_FIXED = 4
_LIMIT = 20000.0


class Stage:
    """A canvas uint8 [H,W,4] (BGR, label) with the view and light of the frame that is being drawn."""

    def __init__(self, size: tuple[int, int]) -> None:
        width, height = size
        self.width, self.height = width, height
        self.canvas: Image = np.zeros((height, width, 4), np.uint8)
        self.view: View
        self.light: Light
        self._matrix = np.zeros((4, 5), np.float32)

    def begin(self, view: View, light: Light) -> None:
        self.view, self.light = view, light

    def tone(self, colour: Colour, gain: Vector, z: float) -> list[float]:
        """``colour`` (BGR 0-255) as it looks under ``gain`` behind ``z`` metres of haze."""
        veil = self.light.veil(z)
        haze = self.light.haze
        return [min(255.0, c * g * (1.0 - veil) + h * veil) for c, g, h in zip(colour, gain, haze, strict=True)]

    def polygon(self, points: Floats | Sequence[tuple[float, float]], tone: Sequence[float], label: int) -> None:
        """Fill a convex polygon ([N,2] pixels) with a colour that ``tone`` has made."""
        fixed = np.clip(np.asarray(points, dtype=np.float64) * 16.0, -_LIMIT, _LIMIT).astype(np.int32)
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
        fixed = np.clip(points * 16.0, -200000.0, 200000.0).astype(np.int32)
        tone = self.tone(colour, self.light.ground, float(depth.mean()) - self.view.s)
        cv2.fillPoly(self.canvas, [fixed], (tone[0], tone[1], tone[2], float(label)), cv2.LINE_8, _FIXED)

    def _light_up(self, patch: Image, gain: Vector, z: float, label: int) -> tuple[Image, Labels]:
        """Light and haze for a patch BGRA; returns BGR+label and the mask of its opaque pixels."""
        veil = self.light.veil(z)
        matrix = self._matrix
        for channel in range(3):
            matrix[channel, channel] = gain[channel] * (1.0 - veil)
            matrix[channel, 4] = self.light.haze[channel] * veil
        matrix[3, 4] = label
        mask = cv2.threshold(cv2.extractChannel(patch, 3), 127, 255, cv2.THRESH_BINARY)[1]
        return np.asarray(cv2.transform(patch, matrix), np.uint8), np.asarray(mask, np.uint8)

    def _window(self, points: NDArray[np.float32]) -> tuple[int, int, int, int] | None:
        low, high = points.min(axis=0), points.max(axis=0)
        left, top = max(0, math.floor(low[0])), max(0, math.floor(low[1]))
        right, bottom = min(self.width, math.ceil(high[0])), min(self.height, math.ceil(high[1]))
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
            weight = patch[..., 3:].astype(np.uint16)
            mixed = (drawn[..., :3] * weight + target[..., :3] * (255 - weight)) >> 8
            inside = patch[..., 3] > 8
            target[inside, :3] = mixed[inside]
            target[inside, 3] = label
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
        points = np.asarray(corners, dtype=np.float32)
        window = self._window(points)
        if window is None:
            return
        across = max(abs(points[1, 0] - points[0, 0]), abs(points[2, 0] - points[3, 0]), 0.5)
        down = max(abs(points[3, 1] - points[0, 1]), abs(points[2, 1] - points[1, 1]), 0.5)
        level = texture.level(texture.width * (cut[1] - cut[0]) / across, 0.8 * texture.height / down)
        high, wide = level.shape[:2]
        left, right = cut[0] * wide - 0.5, cut[1] * wide - 0.5
        source = np.array([[left, -0.5], [right, -0.5], [right, high - 0.5], [left, high - 0.5]], np.float32)
        origin = np.array(window[:2], np.float32)
        matrix = cv2.getPerspectiveTransform(source, points - origin)
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
        if high < 1.5:
            return
        left, top = foot[0] - 0.5 * wide, foot[1] - high
        window = self._window(np.array([[left, top], [left + wide, foot[1]]], np.float32))
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
        near = view.s + NEAR_M
        start, end = max(run[0], near), run[1]
        if end <= start + 0.05:
            return
        low, high = heights
        skipped = (start - run[0]) / (run[1] - run[0])
        first = (view.point(start, t + lean, high), view.point(start, t, low))
        last = (view.point(end, t + lean, high), view.point(end, t, low))
        # Textures read from left to right for somebody who stands in the street.
        if t < 0.0:
            corners, cut = (first[0], last[0], last[1], first[1]), (skipped, 1.0)
        else:
            corners, cut = (last[0], first[0], first[1], last[1]), (0.0, 1.0 - skipped)
        if corners[1][0] <= corners[0][0]:
            return
        self.quad(texture, corners, gain, 0.5 * (start + end) - view.s, label, cut, solid)

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
