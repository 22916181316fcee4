"""Textures that stay calm when they are small: a picture halved separately along x and y, as often as needed."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""uint8 [H,W,4]: BGR and alpha."""
Plane = NDArray[np.float32]


class Ripmap:
    """A texture and its halvings, made when first needed. ``width_m`` and ``height_m`` are its natural size."""

    def __init__(self, base: Pixels, width_m: float = 1.0, height_m: float = 1.0) -> None:
        self.base = np.ascontiguousarray(base)
        self.width_m, self.height_m = width_m, height_m
        self.height, self.width = base.shape[:2]
        self._limit_x = max(0, int(math.log2(self.width)) - 2)
        self._limit_y = max(0, int(math.log2(self.height)) - 2)
        means = cv2.mean(self.base)
        self.mean: tuple[float, float, float] = (means[0], means[1], means[2])
        self._levels: dict[tuple[int, int], Pixels] = {(0, 0): self.base}

    def level(self, shrink_x: float, shrink_y: float) -> Pixels:
        """The texture for a place where ``shrink`` of its pixels fall into one picture pixel."""
        # The bit length of a number times the root of two is its rounded logarithm.
        key = (
            min(self._limit_x, max(0, int(shrink_x * 1.4142).bit_length() - 1)),
            min(self._limit_y, max(0, int(shrink_y * 1.4142).bit_length() - 1)),
        )
        found = self._levels.get(key)
        if found is None:
            size = (max(2, self.width >> key[0]), max(2, self.height >> key[1]))
            found = np.asarray(cv2.resize(self.base, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
            self._levels[key] = found
        return found


def noise(rng: np.random.Generator, size: tuple[int, int], cell: tuple[float, float], octaves: int = 3) -> Plane:
    """Fractal value noise, float32 [h,w] of mean 0 and deviation 1; ``size`` (w,h) and ``cell`` (x,y) in pixels."""
    width, height = size
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for octave in range(octaves):
        step_x, step_y = max(cell[0] / 2**octave, 1.0), max(cell[1] / 2**octave, 1.0)
        grid = (max(2, round(width / step_x) + 1), max(2, round(height / step_y) + 1))
        coarse = rng.standard_normal((grid[1], grid[0]), dtype=np.float32)
        total += weight * cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        weight *= 0.6
    total -= total.mean()
    total /= max(float(total.std()), 1e-6)
    return np.asarray(total, np.float32)


def wrapped(plane: Plane, border: int) -> Plane:
    """``plane`` with its first ``border`` rows and columns faded into its last ones, so that copies of it join."""
    ramp = np.linspace(0.0, 1.0, border, dtype=np.float32)
    out = plane[:-border, :-border].copy()
    out[:border] = out[:border] * ramp[:, None] + plane[-border:, :-border] * (1.0 - ramp[:, None])
    side = plane[:-border, -border:].copy()
    side[:border] = side[:border] * ramp[:, None] + plane[-border:, -border:] * (1.0 - ramp[:, None])
    out[:, :border] = out[:, :border] * ramp + side * (1.0 - ramp)
    return np.asarray(out, np.float32)


def shaded(colour: tuple[float, float, float], gain: Plane) -> Pixels:
    """uint8 [H,W,4]: one BGR colour times ``gain``, opaque."""
    out = np.empty((*gain.shape, 4), np.uint8)
    for channel, value in enumerate(colour):
        out[..., channel] = np.clip(gain * value, 0, 255)
    out[..., 3] = 255
    return out
