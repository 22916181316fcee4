"""Pedestrians and cyclists: small painted figures, each in a few phases of its step or pedal stroke."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from edge_segnet.street.dice import Dice
from edge_segnet.street.texture import Pixels, Ripmap

PHASES = 8
_WIDE, _HIGH = 104, 216
Bgr = tuple[float, float, float]
_COATS: tuple[Bgr, ...] = (
    (44, 38, 34),
    (60, 50, 44),
    (92, 60, 40),
    (50, 46, 110),
    (36, 36, 40),
    (110, 116, 120),
    (70, 88, 70),
    (130, 150, 170),
    (60, 70, 150),
    (150, 120, 90),
    (190, 196, 200),
)
_LEGS: tuple[Bgr, ...] = ((60, 48, 40), (40, 38, 38), (94, 72, 52), (70, 84, 100), (120, 130, 140))
_SKINS: tuple[Bgr, ...] = ((140, 168, 210), (110, 140, 190), (70, 96, 140), (44, 60, 92))
_HAIRS: tuple[Bgr, ...] = ((30, 34, 44), (44, 66, 96), (90, 140, 170), (120, 124, 128), (20, 20, 22))
_BRIGHTS: tuple[Bgr, ...] = ((60, 220, 220), (50, 140, 240), (60, 60, 190), (150, 90, 40), (60, 60, 60))


def _opaque(colour: Bgr, gain: float = 1.0) -> tuple[float, float, float, float]:
    return min(255.0, colour[0] * gain), min(255.0, colour[1] * gain), min(255.0, colour[2] * gain), 255.0


def _limb(art: Pixels, points: Sequence[tuple[float, float]], width: float, colour: Bgr, gain: float = 1.0) -> None:
    """A bent limb through ``points`` (shares of the art's width and height)."""
    path = [(round(x * _WIDE), round(y * _HIGH)) for x, y in points]
    for start, end in pairwise(path):
        cv2.line(art, start, end, _opaque(colour, gain), max(1, round(width * _WIDE)), cv2.LINE_8)


def _shape(art: Pixels, points: Sequence[tuple[float, float]], colour: Bgr, gain: float = 1.0) -> None:
    corners = np.array([(x * _WIDE, y * _HIGH) for x, y in points])
    cv2.fillPoly(art, [np.round(corners).astype(np.int32)], _opaque(colour, gain))


def _disc(
    art: Pixels, x: float, y: float, size: tuple[float, float], colour: Bgr, gain: float = 1.0, ring: int = -1
) -> None:
    centre = (round(x * _WIDE), round(y * _HIGH))
    cv2.ellipse(
        art,
        centre,
        (max(1, round(size[0] * _WIDE)), max(1, round(size[1] * _HIGH))),
        0,
        0,
        360,
        _opaque(colour, gain),
        ring,
    )


def _finish(art: Pixels, width_m: float, height_m: float) -> Ripmap:
    """Shade the figure from its left to its right, and give its edge the figure's own colours for mixing."""
    grown = cv2.dilate(art, np.ones((3, 3), np.uint8))
    cv2.copyTo(art, np.ascontiguousarray(art[..., 3]), grown)
    alpha = cv2.resize(art[..., 3], (_WIDE // 2, _HIGH // 2), interpolation=cv2.INTER_AREA)
    small = cv2.resize(grown, (_WIDE // 2, _HIGH // 2), interpolation=cv2.INTER_AREA)
    ramp = np.linspace(1.16, 0.8, _WIDE // 2, dtype=np.float32)[None, :, None]
    small[..., :3] = np.minimum(small[..., :3] * ramp, 255.0)
    small[..., 3] = alpha
    return Ripmap(np.asarray(small, np.uint8), width_m, height_m)


def walker(dice: Dice) -> list[Ripmap]:
    """A pedestrian seen three-quarter from behind, 0.85 m x 1.76 m, through one double step."""
    coat, legs, skin, hair = dice.pick(_COATS), dice.pick(_LEGS), dice.pick(_SKINS), dice.pick(_HAIRS)
    bag, long_coat, hood, girth = dice.unit(), dice.chance(0.4), dice.chance(0.2), dice.span(0.9, 1.15)
    figures = []
    for phase in range(PHASES):
        art = np.zeros((_HIGH, _WIDE, 4), np.uint8)
        swing = math.sin(2.0 * math.pi * phase / PHASES)
        for side, gain in ((-1.0, 0.78), (1.0, 1.0)):
            reach = side * swing
            foot = (0.5 + 0.19 * reach, 0.985 - 0.02 * max(0.0, -reach))
            knee = (0.5 + 0.12 * reach + 0.03, 0.75)
            _limb(art, [(0.5 + 0.04 * side, 0.5), knee, foot], 0.13 * girth, legs, gain)
            _limb(art, [foot, (foot[0] + 0.07, foot[1])], 0.09, (34, 34, 36))
            if side < 0:
                _limb(art, [(0.42, 0.22), (0.37 - 0.12 * swing, 0.38), (0.4 - 0.2 * swing, 0.5)], 0.11, coat, 0.75)
        hem = 0.66 if long_coat else 0.53
        wide = 0.165 * girth
        _shape(
            art,
            [(0.5 - wide, 0.2), (0.46, 0.165), (0.54, 0.165), (0.5 + wide, 0.2), (0.5 + wide, hem), (0.5 - wide, hem)],
            coat,
        )
        _shape(art, [(0.5 + 0.3 * wide, 0.2), (0.5 + wide, 0.2), (0.5 + wide, hem), (0.5 + 0.5 * wide, hem)], coat, 0.8)
        _limb(art, [(0.6, 0.22), (0.63 + 0.12 * swing, 0.38), (0.6 + 0.2 * swing, 0.5)], 0.11, coat, 1.12)
        _disc(art, 0.6 + 0.2 * swing, 0.51, (0.05, 0.02), skin)
        if bag < 0.25:
            _shape(art, [(0.36, 0.22), (0.6, 0.22), (0.6, 0.42), (0.36, 0.42)], dice_colour(bag))
        elif bag < 0.5:
            _shape(art, [(0.7, 0.5), (0.92, 0.5), (0.92, 0.64), (0.7, 0.64)], dice_colour(bag))
        _disc(art, 0.5, 0.15, (0.07, 0.03), skin)
        _disc(art, 0.51, 0.085, (0.115, 0.07), skin)
        _disc(art, 0.48, 0.075, (0.12, 0.068), coat if hood else hair)
        figures.append(_finish(art, 0.85, 1.76))
    return figures


def dice_colour(share: float) -> Bgr:
    """One of the bright colours, by a number in [0, 1)."""
    return _BRIGHTS[int(share * 997) % len(_BRIGHTS)]


def cyclist(dice: Dice, oncoming: bool) -> list[Ripmap]:
    """A cyclist from behind (or ahead), 0.85 m x 1.8 m, through one turn of the pedals."""
    coat, legs, skin = dice.pick((*_BRIGHTS, *_COATS[:6])), dice.pick(_LEGS), dice.pick(_SKINS)
    helmet = dice.pick((*_BRIGHTS, (200, 204, 206), (40, 40, 44)))
    metal = dice.pick(((150, 152, 154), (60, 60, 150), (120, 80, 40), (50, 50, 52)))
    figures = []
    for phase in range(PHASES):
        art = np.zeros((_HIGH, _WIDE, 4), np.uint8)
        _limb(art, [(0.2, 0.5), (0.8, 0.5)], 0.05, (52, 52, 54))
        _disc(art, 0.5, 0.81, (0.062, 0.185), (34, 34, 36))
        _disc(art, 0.5, 0.81, (0.02, 0.15), metal, 0.7)
        _limb(art, [(0.5, 0.46), (0.5, 0.8)], 0.06, metal)
        for side in (-1.0, 1.0):
            lift = side * math.sin(2.0 * math.pi * phase / PHASES)
            knee = (0.5 + 0.2 * side, 0.61 - 0.035 * lift)
            foot = (0.5 + 0.13 * side, 0.86 - 0.065 * lift)
            _limb(art, [(0.5 + 0.1 * side, 0.5), knee, foot], 0.135, legs, 0.85 if side > 0 else 1.0)
            _limb(art, [(foot[0] - 0.04, foot[1] + 0.01), (foot[0] + 0.06, foot[1] + 0.01)], 0.07, (40, 40, 44))
            _limb(
                art, [(0.5 + 0.17 * side, 0.25), (0.5 + 0.3 * side, 0.38), (0.5 + 0.27 * side, 0.49)], 0.1, coat, 0.85
            )
        _shape(art, [(0.3, 0.23), (0.42, 0.18), (0.58, 0.18), (0.7, 0.23), (0.66, 0.54), (0.34, 0.54)], coat)
        _shape(art, [(0.56, 0.2), (0.7, 0.23), (0.66, 0.54), (0.54, 0.54)], coat, 0.8)
        if oncoming:
            _disc(art, 0.5, 0.47, (0.05, 0.02), (235, 240, 240))
        else:
            _disc(art, 0.5, 0.63, (0.05, 0.02), (50, 40, 210))
        _disc(art, 0.5, 0.11, (0.105, 0.066), skin)
        _shape(art, [(0.38, 0.105), (0.4, 0.045), (0.5, 0.02), (0.6, 0.045), (0.62, 0.105)], helmet)
        figures.append(_finish(art, 0.85, 1.8))
    return figures
