"""The road and pavements: every picture row below the horizon looks up one line of a tile that repeats along s."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from edge_segnet.core.types import Image
from edge_segnet.street.camera import FAR_M, Floats, View
from edge_segnet.street.dice import Dice
from edge_segnet.street.shadows import Shadows
from edge_segnet.street.stage import PAVEMENT, ROAD, Stage
from edge_segnet.street.texture import Plane, Ripmap, noise, wrapped

ROAD_M = 4.5
"""From the centre line to the kerb."""
PAVEMENT_M = 8.4
"""From the centre line to the far edge of the pavement."""
_TILE_S_M = 36.0
_HALF_M = 11.0
_PX_T = 30.0
_PX_S = 24.0
_GRAIN_M = 6.0  # a divisor of the tile's length, so that both repeat together
_GRAIN_PX = 48


def _columns(t_from: float, t_to: float) -> slice:
    return slice(round((t_from + _HALF_M) * _PX_T), round((t_to + _HALF_M) * _PX_T))


def _slabs(art: Plane, rng: np.random.Generator, left: float, right: float) -> None:
    """Paving: slabs of 0.6 m x 0.9 m, each a little different, dark joints."""
    columns = _columns(left, right)
    rows, count = art.shape[0], columns.stop - columns.start
    step_s, step_t = round(0.9 * _PX_S), round(0.6 * _PX_T)
    shades = rng.normal(1.0, 0.05, (rows // step_s + 2, count // step_t + 2)).astype(np.float32)
    row, column = np.arange(rows)[:, None], np.arange(count)[None]
    tone = shades[row // step_s, column // step_t]
    tone[(row % step_s == 0) | (column % step_t == 0)] *= 0.8
    art[:, columns] = np.array((158.0, 163.0, 166.0), np.float32) * tone[..., None]


def _asphalt(art: Plane, rng: np.random.Generator, dice: Dice) -> None:
    columns = _columns(-ROAD_M, ROAD_M)
    rows, count = art.shape[0], columns.stop - columns.start
    blotch = wrapped(noise(rng, (count + 40, rows + 40), (70, 160), 3), 40)
    across = np.linspace(-ROAD_M, ROAD_M, count, dtype=np.float32)
    # Wheels polish two tracks in each lane; oil darkens the middle between them.
    tracks = sum(np.exp(-(((across - t) / 0.32) ** 2)) for t in (-2.5, -1.0, 1.0, 2.5))
    tone = 1.0 + 0.035 * blotch + 0.05 * np.asarray(tracks) - 0.06 * np.exp(-(((np.abs(across) - ROAD_M) / 0.25) ** 2))
    road = tone[..., None] * np.array((124.0, 122.0, 120.0), np.float32)
    for _ in range(5):
        x, y = dice.below(count - 40), dice.below(rows - 160)
        road[y : y + 40 + dice.below(110), x : x + 24 + dice.below(50)] *= dice.span(0.8, 1.12)
    for _ in range(4):
        x, y = 30 + dice.below(count - 60), 20 + dice.below(rows - 40)
        cv2.ellipse(road, (x, y), (9, 7), 0, 0, 360, (84.0, 88.0, 90.0), -1)
        cv2.ellipse(road, (x, y), (9, 7), 0, 0, 360, (106.0, 110.0, 112.0), 1)
    for _ in range(6):
        path = np.cumsum(rng.normal(0.0, (5.0, 11.0), (24, 2)), axis=0) + np.array(
            [dice.below(count), dice.below(rows)]
        )
        cv2.polylines(road, [path.astype(np.int32)], False, (96.0, 96.0, 96.0), 1)
    art[:, columns] = road


def _paint(
    art: Plane, t: float, wide: float, s: float, length: float, colour: tuple[float, float, float], wear: Plane
) -> None:
    columns = _columns(t - 0.5 * wide, t + 0.5 * wide)
    rows = slice(round(s * _PX_S), round((s + length) * _PX_S))
    cover = wear[rows, columns, None]
    art[rows, columns] = art[rows, columns] * (1.0 - cover) + np.array(colour, np.float32) * cover


def ground_tile(dice: Dice) -> Ripmap:
    """One period of the street's floor, uint8 [s, t, 4] with the label as fourth channel, s from near to far."""
    rng = dice.generator()
    rows, columns = round(_TILE_S_M * _PX_S), round(2 * _HALF_M * _PX_T)
    art = np.empty((rows, columns, 3), np.float32)
    for sign in (-1.0, 1.0):
        left, right = sorted((sign * ROAD_M, sign * _HALF_M))
        _slabs(art, rng, left, right)
        # Beyond the pavement: gravel and tired tarmac in front of the houses.
        left, right = sorted((sign * PAVEMENT_M, sign * _HALF_M))
        art[:, _columns(left, right)] = np.array((140.0, 145.0, 148.0), np.float32)
    _asphalt(art, rng, dice)
    wear = np.clip(0.78 + 0.2 * noise(rng, (columns, rows), (14, 14), 3), 0.25, 0.95)
    dash, gap = (4.0, 2.0) if dice.chance(0.35) else (3.0, 3.0)
    for k in range(int(_TILE_S_M / (dash + gap))):
        _paint(art, 0.0, 0.13, k * (dash + gap) + 1.0, dash, (214.0, 220.0, 222.0), wear)
    for sign in (-1.0, 1.0):
        for t in (ROAD_M - 0.28, ROAD_M - 0.5):
            _paint(art, sign * t, 0.09, 0.0, _TILE_S_M, (84.0, 176.0, 200.0), wear)
        left, right = sorted((sign * ROAD_M, sign * (ROAD_M + 0.17)))
        art[:, _columns(left, right)] = np.array((168.0, 172.0, 174.0), np.float32)
        gutter = _columns(*sorted((sign * (ROAD_M - 0.04), sign * (ROAD_M + 0.02))))
        art[:, gutter] *= 0.55
    art += rng.standard_normal((rows, columns, 1), dtype=np.float32) * 4.0
    tile = np.empty((rows, columns, 4), np.uint8)
    tile[..., :3] = np.clip(art, 0, 255)
    tile[..., 3] = PAVEMENT
    tile[:, _columns(-ROAD_M, ROAD_M), 3] = ROAD
    return Ripmap(tile, 2 * _HALF_M, _TILE_S_M)


def grain_tile(dice: Dice) -> Plane:
    """Fine structure of everything on the floor, as a factor times 128, uint8 [288,288], joining at its edges."""
    size = round(_GRAIN_M * _GRAIN_PX)
    rng = dice.generator()
    plane = wrapped(noise(rng, (size + 24, size + 24), (4, 4), 2), 24) * 0.035
    plane += 0.05 * rng.standard_normal((size, size), dtype=np.float32)
    return np.asarray(np.clip(128.0 * (1.0 + plane), 60, 200), np.float32)


class Ground:
    """Draws the floor, and afterwards lays grain and shadows over everything that lies on it."""

    def __init__(self, seed: int, size: tuple[int, int]) -> None:
        dice = Dice(seed, 0x6E0)
        self._tile = ground_tile(dice)
        grain = grain_tile(dice)
        self._grains = [
            np.asarray(
                cv2.resize(grain, (grain.shape[1] >> k, grain.shape[0] >> k), interpolation=cv2.INTER_AREA), np.uint8
            )
            for k in range(4)
        ]
        width, height = size
        self._columns = np.arange(width, dtype=np.float32)[None]
        self._shade = np.zeros((height, width), np.uint8)
        self._across = np.zeros((height, width), np.float32)
        self._along = np.zeros((height, width), np.float32)
        self.top = 0

    def draw(self, stage: Stage) -> None:
        """Fill the canvas below the horizon."""
        view = stage.view
        # The first row is the one where the street's far end meets the backdrop.
        self.top = int(min(max(view.cy + view.f * view.eye / (FAR_M + 20.0), 0), stage.height - 2)) + 1
        rows = np.arange(self.top, stage.height)
        depth: Floats = np.asarray(view.f * view.eye / (rows + 0.5 - view.cy), np.float64)
        self._depth = depth
        scale = (depth / view.f)[:, None]
        across, along = self._across[self.top :], self._along[self.top :]
        shift = (view.t - view.bend_at(depth))[:, None] - scale * (view.cx - 0.5)
        np.multiply(self._columns, scale.astype(np.float32), out=across)
        across += shift.astype(np.float32)
        along[:] = np.mod(view.s + depth, _TILE_S_M)[:, None]
        self._lookup(stage, rows)
        self._light(stage)

    def _lookup(self, stage: Stage, rows: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> None:
        """Rows that need the same halving of the tile are looked up together."""
        view = stage.view
        shrink_s = _PX_S * self._depth**2 / (view.f * view.eye)
        shrink_t = _PX_T * self._depth / view.f
        keys = np.round(np.log2(np.maximum(shrink_s, 1.0))) * 16 + np.round(np.log2(np.maximum(0.7 * shrink_t, 1.0)))
        cuts = [0, *(np.flatnonzero(np.diff(keys)) + 1).tolist(), len(rows)]
        for start, end in pairwise(cuts):
            middle = (start + end) // 2
            level = self._tile.level(0.7 * float(shrink_t[middle]), float(shrink_s[middle]))
            top, bottom = self.top + start, self.top + end
            scale_t, scale_s = level.shape[1] / (2 * _HALF_M), level.shape[0] / _TILE_S_M
            map_x = cv2.addWeighted(
                self._across[top:bottom], scale_t, self._across[top:bottom], 0.0, _HALF_M * scale_t - 0.5
            )
            map_y = cv2.addWeighted(self._along[top:bottom], scale_s, self._along[top:bottom], 0.0, -0.5)
            stage.canvas[top:bottom] = cv2.remap(level, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def _light(self, stage: Stage) -> None:
        """Haze by rows, and the light on the floor."""
        light = stage.light
        veil = 1.0 - np.exp(-light.haze_per_m * self._depth)
        floor = stage.canvas[self.top :]
        columns = np.empty((len(veil), 2, 4), np.uint8)
        columns[:, 0, :3] = np.minimum(128.0 * light.ground * (1.0 - veil)[:, None], 255.0)
        columns[:, 1, :3] = light.haze * veil[:, None]
        columns[:, :, 3] = (128, 0)
        cv2.multiply(floor, cv2.repeat(columns[:, :1], 1, floor.shape[1]), dst=floor, scale=1.0 / 128.0)
        cv2.add(floor, cv2.repeat(columns[:, 1:], 1, floor.shape[1]), dst=floor)

    def finish(self, stage: Stage, shadows: Shadows) -> None:
        """Multiply the floor by its grain and its shadows."""
        self._shade[self.top :] = 255
        shadows.fill(self._shade)
        shade = cv2.GaussianBlur(self._shade[self.top :], (5, 3), 0)
        grain = self._grain(stage.view)
        lit = cv2.multiply(shade, grain, scale=1.0 / 255.0)
        keep = np.full_like(lit, 128)
        # Shadows are a little blue: they are lit by the sky alone.
        blue = cv2.multiply(cv2.addWeighted(shade, 0.88, shade, 0.0, 30.0), grain, scale=1.0 / 255.0)
        factor = cv2.merge([blue, lit, lit, keep])
        floor = stage.canvas[self.top :]
        cv2.multiply(floor, factor, dst=floor, scale=1.0 / 128.0)

    def _grain(self, view: View) -> Image:
        rows = len(self._depth)
        out = np.full((rows, self._columns.shape[1]), 128, np.uint8)
        shrink = _GRAIN_PX * self._depth / view.f * np.maximum(1.0, 0.35 * self._depth / view.eye)
        levels = np.round(np.log2(np.maximum(shrink, 1.0))).astype(np.int64)
        for number, grain in enumerate(self._grains):
            found = np.flatnonzero(levels == number)
            if not len(found):
                continue
            start, end = int(found[0]), int(found[-1]) + 1
            scale = grain.shape[0] / _GRAIN_M
            across = self._across[self.top + start : self.top + end]
            along = self._along[self.top + start : self.top + end]
            map_x = cv2.addWeighted(across, scale, across, 0.0, 0.0)
            map_y = cv2.addWeighted(along, scale, along, 0.0, 0.0)
            out[start:end] = cv2.remap(grain, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
        return out
