"""What the camera adds: a little blur, a darker rim, contrast, sensor noise."""

from __future__ import annotations

import cv2
import numpy as np

from edge_segnet.core.types import Image
from edge_segnet.street.dice import Dice

_NOISE_SLACK = 61
"""Pixels that the noise, drawn once, is shifted by from frame to frame."""
_CONTRAST, _BLACK = 1.14, 5.0


class Lens:
    def __init__(self, seed: int, size: tuple[int, int]) -> None:
        width, height = size
        self._seed, self._size = seed, size
        rng = Dice(seed, 0x1E2).generator()
        shape = (height + _NOISE_SLACK, width + _NOISE_SLACK)
        grey = rng.standard_normal((*shape, 1), dtype=np.float32) * 2.6
        colour = rng.standard_normal((*shape, 3), dtype=np.float32) * 1.8
        self._noise = np.clip(128.0 + grey + colour, 0, 255).astype(np.uint8)
        x = np.linspace(-1.0, 1.0, width, dtype=np.float32)[None] ** 2
        y = np.linspace(-1.0, 1.0, height, dtype=np.float32)[:, None] ** 2
        rim = 255.0 * (1.0 - 0.15 * (0.6 * x + 0.4 * y) ** 1.3)
        self._rim = np.ascontiguousarray(np.repeat(rim.astype(np.uint8)[..., None], 3, axis=2))

    def take(self, scene: Image, index: int) -> Image:
        """The picture uint8 [H,W,3] of a canvas uint8 [H,W,4]; a new array each time."""
        picture = cv2.cvtColor(scene, cv2.COLOR_BGRA2BGR)
        picture = cv2.GaussianBlur(picture, (3, 3), 0.55)
        picture = cv2.multiply(picture, self._rim, scale=1.0 / 255.0)
        dice = Dice(self._seed, 0x1E2, index)
        x, y = dice.below(_NOISE_SLACK), dice.below(_NOISE_SLACK)
        width, height = self._size
        grain = self._noise[y : y + height, x : x + width]
        return np.asarray(cv2.addWeighted(picture, _CONTRAST, grain, 1.0, -128.0 - _BLACK), np.uint8)
