"""Everything else that is textured: roofs, walls, fences, hedges, trees, the backdrop, the ground."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edge_segnet.street.dice import Dice
from edge_segnet.street.texture import Pixels, Plane, Ripmap, noise, shaded

Bgr = tuple[float, float, float]


def brick_wall(dice: Dice, colour: Bgr, size: tuple[int, int] = (160, 160)) -> Ripmap:
    """A plain wall, [H,W] as given in pixels."""
    rng = dice.generator()
    gain = 1.0 + 0.06 * noise(rng, size, (50, 40)) + 0.05 * rng.standard_normal(size[::-1], dtype=np.float32)
    gain[np.arange(size[1]) % 4 == 0] *= 0.88
    return Ripmap(shaded(colour, gain))


def roof(dice: Dice, colour: Bgr) -> Ripmap:
    """Rows of tiles."""
    rng = dice.generator()
    gain = 1.0 + 0.08 * noise(rng, (192, 96), (40, 16)) + 0.06 * rng.standard_normal((96, 192), dtype=np.float32)
    gain[np.arange(96) % 6 == 0] *= 0.72
    gain[:4] *= 1.25
    return Ripmap(shaded(colour, gain))


def railing(dice: Dice) -> Ripmap:
    """2 m x 1.1 m of iron bars, see-through."""
    art = np.zeros((66, 120, 4), np.uint8)
    colour = dice.pick(((40, 42, 40), (52, 48, 46), (58, 74, 52), (124, 128, 130)))
    art[..., :3] = colour
    for x in range(2, 120, 8):
        art[4:, x : x + 3, 3] = 255
    art[8:12, :, 3] = 255
    art[56:60, :, 3] = 255
    art[:, 56:62, 3] = 255
    # A veil over the gaps keeps the bars' weight when they are too thin to be seen one by one.
    art[4:, :, 3] = np.maximum(art[4:, :, 3], 30)
    return Ripmap(art, 2.0, 1.1)


def boards(dice: Dice) -> Ripmap:
    """2 m x 1.8 m of wooden fence between posts."""
    rng = dice.generator()
    gain = 1.0 + 0.05 * noise(rng, (128, 112), (6, 80)) + 0.04 * rng.standard_normal((112, 128), dtype=np.float32)
    gain *= (1.0 + rng.normal(0.0, 0.09, 16).astype(np.float32))[np.arange(128) // 8]
    gain[:, np.arange(128) % 8 == 0] *= 0.55
    gain[:, :7] *= 0.75
    gain[:6] *= 1.15
    return Ripmap(shaded(dice.pick(((86, 118, 150), (70, 96, 122), (104, 124, 138), (62, 78, 96))), gain), 2.0, 1.8)


def _leaves(rng: np.random.Generator, size: tuple[int, int], colour: Bgr) -> Pixels:
    """Foliage that is lighter above, uint8 [H,W,4], opaque."""
    clumps = noise(rng, size, (26, 20), 4)
    fine = rng.standard_normal(size[::-1], dtype=np.float32)
    gain = 0.86 + 0.22 * clumps + 0.16 * cv2.GaussianBlur(fine, (3, 3), 0.7) * 1.6
    gain *= np.linspace(1.2, 0.72, size[1], dtype=np.float32)[:, None]
    art = shaded(colour, np.clip(gain, 0.15, 2.0))
    warm = np.clip(art[..., 2].astype(np.float32) + 6.0 * clumps, 0, 255)
    art[..., 2] = warm.astype(np.uint8)
    return art


def hedge(dice: Dice) -> Ripmap:
    """4 m x 1.6 m of hedge with an uneven top."""
    rng = dice.generator()
    art = _leaves(rng, (160, 72), dice.pick(((46, 84, 66), (40, 72, 62), (52, 96, 84))))
    top = 7.0 + 3.0 * noise(rng, (160, 1), (24, 1))[0]
    art[..., 3] = np.where(np.arange(72)[:, None] > top, 255, 0)
    return Ripmap(art, 4.0, 1.6)


def _branch(
    art: Pixels, start: tuple[float, float], angle: float, length: float, width: float, dice: Dice, bark: Bgr
) -> None:
    end = (start[0] + length * math.sin(angle), start[1] - length * math.cos(angle))
    gain = dice.span(0.75, 1.15)
    cv2.line(
        art,
        (round(start[0] * 16), round(start[1] * 16)),
        (round(end[0] * 16), round(end[1] * 16)),
        (bark[0] * gain, bark[1] * gain, bark[2] * gain, 255.0),
        max(1, round(width)),
        cv2.LINE_8,
        4,
    )
    if length < 12.0:
        return
    for side in (-1.0, 1.0, dice.span(-0.5, 0.5)):
        _branch(art, end, angle + side * dice.span(0.2, 0.62), length * dice.span(0.58, 0.78), width * 0.62, dice, bark)


def bare_tree(dice: Dice) -> Ripmap:
    """A winter tree, 7 m x 9 m: branches, and a thin haze of twigs between them."""
    size = (224, 288)
    art = np.zeros((size[1], size[0], 4), np.uint8)
    bark = dice.pick(((58, 66, 76), (70, 80, 88), (50, 60, 72)))
    art[..., :3] = bark
    _branch(art, (112.0, 288.0), dice.span(-0.05, 0.05), dice.span(66, 76), 9.0, dice, bark)
    reach = cv2.GaussianBlur(art[..., 3], (0, 0), 7.0).astype(np.float32) / 255.0
    rng = dice.generator()
    twigs = rng.random((size[1], size[0]), dtype=np.float32) < np.clip(reach * 1.2, 0.0, 0.36)
    twigs[190:] = False
    art[..., 3] = np.maximum(art[..., 3], twigs.astype(np.uint8) * 255)
    return Ripmap(art, 7.0, 9.0)


def leafy_tree(dice: Dice) -> Ripmap:
    """A tree in leaf, 6 m x 8 m: a trunk below overlapping clumps, each lighter at its top."""
    wide, high = 208, 272
    rng = dice.generator()
    colour = dice.pick(((44, 92, 72), (40, 78, 70), (58, 108, 92), (50, 92, 104), (44, 70, 52)))
    cover: Plane = np.zeros((high, wide), np.float32)
    lift: Plane = np.zeros((high, wide), np.float32)
    conical = dice.chance(0.25)
    if not conical:
        cv2.ellipse(cover, (104, 98), (64, 72), 0, 0, 360, 1.0, -1)
    for number in range(60):
        y = 0.08 + 0.58 * (number + dice.unit()) / 60.0
        spread = 0.36 * (y / 0.66) if conical else 0.37 * math.sqrt(max(0.05, 1.0 - ((y - 0.37) / 0.31) ** 2))
        x = 0.5 + spread * dice.span(-1.0, 1.0)
        radius = dice.span(0.06, 0.12) * wide
        centre = (round(x * wide), round(y * high))
        cv2.circle(cover, centre, round(radius), 1.0, -1)
        cv2.circle(lift, (centre[0], round(centre[1] - 0.3 * radius)), round(0.75 * radius), dice.span(0.1, 0.5), -1)
    ragged = cv2.GaussianBlur(cover, (0, 0), 4.0) + 0.16 * noise(rng, (wide, high), (12, 12), 3)
    art = _leaves(rng, (wide, high), colour)
    light = 0.8 + cv2.GaussianBlur(lift, (0, 0), 5.0) * 0.9
    art[..., :3] = np.clip(art[..., :3] * light[..., None], 0, 255).astype(np.uint8)
    leaves = ragged > 0.5
    trunk = np.zeros((high, wide), np.uint8)
    cv2.fillConvexPoly(trunk, np.array([[98, 150], [110, 150], [113, 272], [94, 272]], np.int32), 255)
    cv2.line(trunk, (104, 200), (70, 130), 255, 4)
    cv2.line(trunk, (104, 190), (140, 125), 255, 4)
    bark = (trunk > 0) & ~leaves
    grain = 1.0 + 0.18 * noise(rng, (wide, high), (3, 24), 2)
    art[bark, :3] = np.clip(grain[bark][:, None] * np.array([58.0, 68.0, 78.0]), 0, 255).astype(np.uint8)
    art[..., 3] = ((trunk > 0) | leaves).astype(np.uint8) * 255
    return Ripmap(art, 6.0, 8.0)


def backdrop_trees(dice: Dice) -> Ripmap:
    """48 m x 9 m of woodland edge, for what lies behind gaps."""
    rng = dice.generator()
    art = _leaves(rng, (384, 96), (58, 84, 76))
    top = np.clip(26.0 + 12.0 * noise(rng, (384, 1), (44, 1), 4)[0], 2, 70)
    art[..., 3] = np.where(np.arange(96)[:, None] > top + 2.0 * rng.standard_normal((96, 384)), 255, 0)
    return Ripmap(art, 48.0, 9.0)


def backdrop_houses(dice: Dice) -> Ripmap:
    """48 m x 10 m of the backs of houses."""
    art = np.zeros((120, 480, 4), np.uint8)
    art[..., :3] = (110, 120, 130)
    x = 0
    while x < 480:
        wide, high = 60 + dice.below(60), 56 + dice.below(36)
        wall = dice.pick(((96, 116, 144), (120, 142, 160), (170, 184, 190), (84, 100, 130)))
        tiles = dice.pick(((84, 78, 76), (70, 82, 116), (96, 92, 90)))
        rise = 22
        cv2.rectangle(art, (x, 120 - high), (x + wide, 120), (*wall, 255), -1)
        cv2.fillConvexPoly(
            art,
            np.array(
                [
                    [x, 120 - high],
                    [x + 8, 120 - high - rise],
                    [x + wide - 8, 120 - high - rise],
                    [x + wide, 120 - high],
                ],
                np.int32,
            ),
            (*tiles, 255),
        )
        cv2.rectangle(art, (x + 14, 120 - high - rise - 9), (x + 22, 120 - high - rise), (70, 84, 112, 255), -1)
        for row in range(120 - high + 10, 112, 26):
            for column in range(x + 9, x + wide - 10, 20):
                cv2.rectangle(art, (column, row), (column + 9, row + 13), (200, 206, 208, 255), -1)
                cv2.rectangle(art, (column + 1, row + 1), (column + 8, row + 12), (72, 66, 62, 255), -1)
        x += wide
    return Ripmap(art, 48.0, 10.0)


def skyline(dice: Dice, width: int) -> tuple[Pixels, Pixels]:
    """What closes the view far away, uint8 [64, ``width``, 4] each: roofs, and the trees before them."""
    rng = dice.generator()
    houses = np.zeros((64, width, 4), np.uint8)
    houses[..., :3] = (128, 134, 140)
    x = 0
    while x < width:
        wide, high = 12 + dice.below(26), 14 + dice.below(20)
        gain = dice.span(0.7, 1.1)
        cv2.rectangle(houses, (x, 64 - high), (x + wide, 64), (118 * gain, 126 * gain, 138 * gain, 255), -1)
        if dice.chance(0.6):
            roofline = np.array(
                [[x, 64 - high], [x + wide // 2, 58 - high - wide // 4], [x + wide, 64 - high]], np.int32
            )
            cv2.fillConvexPoly(houses, roofline, (96 * gain, 98 * gain, 106 * gain, 255))
        x += wide
    trees = _leaves(rng, (width, 64), (86, 104, 96))
    top = 44.0 + 9.0 * noise(rng, (width, 1), (46, 1), 4)[0]
    trees[..., 3] = np.where(np.arange(64)[:, None] > top, 255, 0)
    return houses, trees
