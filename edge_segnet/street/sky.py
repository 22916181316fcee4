"""The sky with drifting clouds, and the skyline that closes the street."""

from __future__ import annotations

import cv2
import numpy as np

from edge_segnet.core.types import Image
from edge_segnet.street.camera import FAR_M
from edge_segnet.street.dice import Dice
from edge_segnet.street.stage import BUILDING, SKY, TREE, Stage
from edge_segnet.street.surfaces import skyline
from edge_segnet.street.texture import noise

_SKYLINE_M = 13.0


class Sky:
    """A panorama of cloud density; a palette of 256 colours per frame turns it into a picture."""

    def __init__(self, seed: int, size: tuple[int, int]) -> None:
        width, height = size
        dice = Dice(seed, 0x5C1)
        rng = dice.generator()
        self._turn = 2 * width
        rows = round(0.75 * height) + 2
        flat = noise(rng, (640, 512), (90, 70), 5)
        # Clouds lie on a plane above us: they shrink and crowd towards the horizon.
        rise = np.linspace(1.0, 0.05, rows, dtype=np.float32)[:, None]
        x = (np.linspace(-1.0, 1.0, self._turn, dtype=np.float32)[None] * 0.45 / (0.3 + rise) + 0.5) * 639
        y = np.broadcast_to(511 * (0.36 / (0.3 + rise) - 0.27), (rows, self._turn)).astype(np.float32)
        clouds = cv2.remap(flat, np.clip(x, 0, 639).astype(np.float32), np.clip(y, 0, 511), cv2.INTER_LINEAR)
        fade = np.linspace(0.0, 1.0, width // 2, dtype=np.float32)
        clouds[:, : width // 2] = clouds[:, : width // 2] * fade + clouds[:, -1:] * (1.0 - fade)
        bright = np.clip((rise * -1.0 + 1.0) ** 3, 0.0, 1.0)
        density = 118.0 + 62.0 * clouds * (1.0 - 0.75 * bright) + 90.0 * bright
        pano = np.clip(density, 0, 255).astype(np.uint8)
        self._pano = np.concatenate([pano, pano[:, : width + 1]], axis=1)
        self._houses, self._trees = skyline(dice, 512)
        self._width = width
        self._scaled: list[Image] = []

    def draw(self, stage: Stage) -> None:
        """Fill the canvas from its top to just below the horizon, then set the skyline before it."""
        view = stage.view
        bottom = min(stage.height, max(1, round(view.cy) + 12))
        start = (
            int(view.f * view.heading + 1.5 * view.time_s * self._width / 480.0 - view.cx + 0.5 * self._width)
            % self._turn
        )
        top = max(0, self._pano.shape[0] - bottom)
        density = self._pano[top : top + bottom, start : start + self._width]
        target = stage.canvas[:bottom].view(np.uint32)[..., 0]
        np.take(self._palette(stage), density, out=target[: density.shape[0]], mode="clip")
        if density.shape[0] < bottom:
            target[density.shape[0] :] = target[density.shape[0] - 1]
        self._skyline(stage)

    def _palette(self, stage: Stage) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
        """256 colours (BGR, label Sky) as one number each: clear sky, then cloud, then the bright horizon."""
        light = stage.light
        ramp = np.arange(256)[:, None]
        cloud = 1.0 / (1.0 + np.exp(-(ramp - 230.0 + 150.0 * light.cover) / 16.0))
        bodies = light.cloud * (1.0 - 0.16 * light.cover * np.clip((ramp - 150.0) / 105.0, 0.0, 1.0))
        colours = light.zenith * (1.0 + 0.0012 * (ramp - 100.0)) * (1.0 - cloud) + bodies * cloud
        palette = np.empty((256, 4), np.uint8)
        palette[:, :3] = np.clip(colours, 0, 255)
        palette[:, 3] = SKY
        return palette.view(np.uint32)[:, 0]

    def _skyline(self, stage: Stage) -> None:
        """Roofs and trees at the street's far end, in the haze; they turn with the camera."""
        view = stage.view
        z = FAR_M + 20.0
        high = max(3, round(view.f * _SKYLINE_M / z))
        foot = min(stage.height, int(view.cy + view.f * view.eye / z) + 2)
        top = max(0, foot - high)
        for art, label, speed in zip(self._bands(high), (BUILDING, TREE), (1.0, 1.3), strict=True):
            shift = int(view.f * view.heading * speed - view.cx) % art.shape[1]
            columns = (np.arange(stage.width) + shift) % art.shape[1]
            band = np.ascontiguousarray(art[high - (foot - top) :, columns])
            stage.blend(band, (0, top, stage.width, foot), stage.light.facing, z, label)

    def _bands(self, high: int) -> list[Image]:
        """Roofs and trees, ``high`` pixels high; that depends on the picture's size only."""
        if self._scaled and self._scaled[0].shape[0] == high:
            return self._scaled
        scale = high / self._houses.shape[0]
        size = (max(2, round(self._houses.shape[1] * scale)), high)
        self._scaled = [
            np.asarray(cv2.resize(art, size, interpolation=cv2.INTER_AREA), np.uint8)
            for art in (self._houses, self._trees)
        ]
        return self._scaled
