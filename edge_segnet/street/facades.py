"""House fronts: brick, stone or render, rows of windows, shops and doors below. Drawn once, at 26 pixels a metre."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge_segnet.street.dice import Dice
from edge_segnet.street.texture import Pixels, Ripmap, noise, shaded

PX = 26
"""Texture pixels per metre."""
Bgr = tuple[float, float, float]
_BRICKS: tuple[Bgr, ...] = (
    (84, 100, 142),
    (70, 84, 124),
    (112, 150, 178),
    (124, 156, 172),
    (90, 118, 150),
    (66, 92, 146),
)
_PLAIN: tuple[Bgr, ...] = (
    (206, 216, 222),
    (188, 206, 216),
    (214, 214, 208),
    (170, 186, 196),
    (150, 166, 172),
    (196, 200, 184),
)
_SHOP_COLOURS: tuple[Bgr, ...] = (
    (50, 44, 120),
    (84, 60, 34),
    (52, 84, 40),
    (38, 38, 40),
    (150, 140, 60),
    (60, 120, 190),
    (176, 172, 168),
    (92, 40, 70),
)
_SHOP_NAMES = (
    "BAKERY",
    "BOOKS",
    "CAFE",
    "CHEMIST",
    "OPTICIAN",
    "FLOWERS",
    "CYCLES",
    "GROCER",
    "BANK",
    "TAILOR",
    "HAIR",
    "PIZZA",
    "NEWS",
    "TRAVEL",
    "SHOES",
    "TOYS",
)


@dataclass(frozen=True)
class FrontPlan:
    """What a front is made of; ``ground`` is 'shop', 'house' or 'office'."""

    width_m: float
    floors: int
    floor_m: float
    bays: int
    brick: bool
    wall: Bgr
    ground: str
    trim: Bgr

    @property
    def height_m(self) -> float:
        return self.floors * self.floor_m + 0.7


def plan_front(kind: str, dice: Dice) -> FrontPlan:
    """A plan for ``kind``: 'shops', 'terrace', 'villa' or 'modern'."""
    brick = dice.chance({"shops": 0.6, "terrace": 0.75, "villa": 0.6, "modern": 0.35}[kind])
    wall = dice.pick(_BRICKS if brick else _PLAIN)
    trim = dice.pick(((226, 230, 232), (200, 208, 212), (150, 168, 180)))
    if kind == "shops":
        return FrontPlan(8.0 + 4 * dice.below(2), 3 + dice.below(2), 3.1, 3 + dice.below(2), brick, wall, "shop", trim)
    if kind == "modern":
        return FrontPlan(12.0, 3 + dice.below(3), 3.2, 5 + dice.below(2), brick, wall, "office", trim)
    if kind == "villa":
        return FrontPlan(10.0, 2, 3.1, 3, brick, wall, "house", trim)
    return FrontPlan(6.0, 2 + dice.below(2), 2.9, 2, brick, wall, "house", trim)


def _wall(plan: FrontPlan, rng: np.random.Generator) -> Pixels:
    size = (round(plan.width_m * PX), round(plan.height_m * PX))
    gain = 1.0 + 0.05 * noise(rng, size, (90, 60)) + 0.025 * rng.standard_normal(size[::-1], dtype=np.float32)
    if plan.brick:
        rows, columns = np.arange(size[1]), np.arange(size[0])
        gain[rows % 3 == 0] *= 0.93
        courses = rng.normal(1.0, 0.06, (size[1] // 3 + 1, size[0] // 6 + 2)).astype(np.float32)
        shift = (rows // 3) % 2 * 3
        gain *= courses[(rows // 3)[:, None], (columns[None] + shift[:, None]) // 6]
    # Walls are dirtier near the ground and below the roof's edge.
    depth = np.linspace(0.0, 1.0, size[1], dtype=np.float32)[:, None]
    gain *= 1.0 - 0.22 * depth**6 - 0.12 * (1.0 - depth) ** 8
    return shaded(plan.wall, gain)


def _box(art: Pixels, left: float, top: float, right: float, bottom: float, colour: Bgr) -> None:
    """A filled rectangle; metres from the art's upper left corner."""
    cv2.rectangle(
        art, (round(left * PX), round(top * PX)), (round(right * PX) - 1, round(bottom * PX) - 1), (*colour, 255.0), -1
    )


def _dim(colour: Bgr, gain: float) -> Bgr:
    return colour[0] * gain, colour[1] * gain, colour[2] * gain


def _glass(art: Pixels, left: float, top: float, right: float, bottom: float, dice: Dice) -> None:
    """A pane: dark room below, a piece of sky mirrored above, sometimes a curtain or a lamp."""
    x0, y0, x1, y1 = (round(v * PX) for v in (left, top, right, bottom))
    if x1 <= x0 or y1 <= y0:
        return
    ramp = np.linspace(dice.span(0.5, 1.4), dice.span(0.2, 0.5), y1 - y0, dtype=np.float32)[:, None, None]
    base = np.array(dice.pick(((96, 84, 72), (120, 104, 88), (70, 66, 62), (150, 136, 120))), np.float32)
    art[y0:y1, x0:x1, :3] = np.clip(ramp * base, 0, 255).astype(np.uint8)
    kind = dice.unit()
    if kind < 0.06:
        art[y0:y1, x0:x1, :3] = (120, 190, 230)
    elif kind < 0.32:
        blind = dice.span(0.2, 0.8)
        _box(
            art,
            left,
            top,
            right,
            top + (bottom - top) * blind,
            dice.pick(((196, 204, 206), (170, 186, 190), (140, 150, 170))),
        )
    elif kind < 0.5:
        fold = (right - left) * 0.22
        for edge in (left, right - fold):
            _box(art, edge, top, edge + fold, bottom, (176, 188, 196))


def _window(art: Pixels, x: float, y: float, size: tuple[float, float], plan: FrontPlan, dice: Dice) -> None:
    """A sash window of ``size`` (w,h) metres whose upper left corner is at (x, y)."""
    wide, high = size
    _box(art, x - 0.1, y - 0.26, x + wide + 0.1, y, plan.trim if plan.brick else _dim(plan.wall, 1.06))
    _box(art, x - 0.04, y - 0.04, x + wide + 0.04, y + high, _dim(plan.wall, 0.5))
    frame = (222.0, 226.0, 228.0) if dice.chance(0.8) else (52.0, 48.0, 44.0)
    _box(art, x + 0.04, y + 0.05, x + wide, y + high, frame)
    _glass(art, x + 0.12, y + 0.13, x + wide - 0.08, y + 0.5 * high - 0.02, dice)
    _glass(art, x + 0.12, y + 0.5 * high + 0.05, x + wide - 0.08, y + high - 0.07, dice)
    _box(art, x + 0.5 * wide - 0.02, y + 0.1, x + 0.5 * wide + 0.04, y + high - 0.05, frame)
    _box(art, x - 0.12, y + high, x + wide + 0.12, y + high + 0.12, plan.trim)
    _box(art, x - 0.12, y + high + 0.12, x + wide + 0.12, y + high + 0.2, _dim(plan.wall, 0.62))


def _door(art: Pixels, x: float, bottom: float, plan: FrontPlan, dice: Dice) -> None:
    _box(art, x - 0.15, bottom - 2.6, x + 1.15, bottom, plan.trim)
    _glass(art, x, bottom - 2.5, x + 1.0, bottom - 2.1, dice)
    colour = dice.pick(((40, 36, 110), (84, 56, 28), (38, 62, 34), (40, 38, 38), (150, 150, 70)))
    _box(art, x, bottom - 2.08, x + 1.0, bottom, colour)
    for row in (1.95, 1.0):
        for column in (0.12, 0.55):
            _box(art, x + column, bottom - row, x + column + 0.33, bottom - row + 0.75, _dim(colour, 1.25))
    _box(art, x - 0.2, bottom - 0.12, x + 1.2, bottom, (150, 156, 160))


def _shop(art: Pixels, plan: FrontPlan, dice: Dice) -> None:
    """One or two shops over the front's width: board with a name, wide glass, door, sometimes an awning."""
    bottom = plan.height_m
    count = 1 if plan.width_m < 9 else 2
    for shop in range(count):
        left = shop * plan.width_m / count
        right = left + plan.width_m / count
        colour = dice.pick(_SHOP_COLOURS)
        _box(art, left, bottom - 3.05, right, bottom, _dim(colour, 0.75))
        _box(art, left + 0.05, bottom - 3.25, right - 0.05, bottom - 2.55, colour)
        _box(art, left + 0.05, bottom - 3.33, right - 0.05, bottom - 3.25, plan.trim)
        ink = (236.0, 240.0, 240.0) if sum(colour) < 360 else (40.0, 36.0, 36.0)
        name = dice.pick(_SHOP_NAMES)
        start = left + 0.5 * (right - left) - 0.21 * len(name)
        cv2.putText(
            art,
            name,
            (round(start * PX), round((bottom - 2.72) * PX)),
            cv2.FONT_HERSHEY_DUPLEX,
            0.52,
            (*ink, 255.0),
            1,
            cv2.LINE_AA,
        )
        door = left + (0.3 if dice.chance(0.5) else right - left - 1.4)
        for pane in range(3):
            x = left + 0.15 + pane * (right - left - 0.2) / 3
            _goods(art, x, bottom - 2.5, x + (right - left - 0.5) / 3, bottom - 0.55, dice)
        _box(art, door, bottom - 2.45, door + 1.1, bottom - 0.05, _dim(colour, 0.5))
        _glass(art, door + 0.12, bottom - 2.3, door + 0.98, bottom - 0.5, dice)
        if dice.chance(0.35):
            stripe = (232.0, 236.0, 236.0) if dice.chance(0.6) else colour
            for part in range(int((right - left) / 0.5)):
                _box(
                    art,
                    left + part * 0.5,
                    bottom - 2.6,
                    left + part * 0.5 + 0.5,
                    bottom - 2.05,
                    stripe if part % 2 else colour,
                )


def _goods(art: Pixels, left: float, top: float, right: float, bottom: float, dice: Dice) -> None:
    """A shop window with things in it."""
    _box(art, left, top, right, bottom, dice.pick(((44, 42, 40), (64, 60, 56), (36, 40, 48), (80, 92, 104))))
    for _ in range(9):
        x, y = dice.span(left, right - 0.3), dice.span(top + 0.5 * (bottom - top), bottom - 0.15)
        tint = (dice.span(40, 190), dice.span(50, 190), dice.span(60, 210))
        _box(art, x, y, min(right, x + dice.span(0.15, 0.5)), min(bottom, y + dice.span(0.1, 0.6)), tint)
    if dice.chance(0.6):
        lamp = dice.span(top + 0.15, top + 0.4)
        _box(art, left + 0.1, lamp, right - 0.1, lamp + 0.07, (190, 226, 240))
    if dice.chance(0.3):
        _box(
            art,
            left + 0.2,
            top + 0.5,
            left + 0.9,
            top + 1.3,
            dice.pick(((60, 60, 200), (220, 220, 214), (60, 190, 220))),
        )


def _upper_floors(art: Pixels, plan: FrontPlan, dice: Dice) -> None:
    pitch = plan.width_m / plan.bays
    lowest = plan.floors - (0 if plan.ground == "office" else 1)
    for floor in range(lowest):
        top = 0.55 + floor * plan.floor_m
        if plan.ground == "office":
            wide, high = pitch - 0.35, 1.7
        else:
            wide, high = min(1.15, 0.55 * pitch), 1.75 if floor else 1.5
        for bay in range(plan.bays):
            x = (bay + 0.5) * pitch - 0.5 * wide
            if plan.ground == "office":
                _box(art, x - 0.06, top + 0.34, x + wide + 0.06, top + 0.46 + high, _dim(plan.wall, 0.45))
                for half in (0.0, 0.5):
                    _glass(art, x + half * wide, top + 0.4, x + (half + 0.5) * wide - 0.07, top + 0.4 + high, dice)
            else:
                _window(art, x, top + 0.45, (wide, high), plan, dice)
        if dice.chance(0.4):
            _box(art, 0.0, top + plan.floor_m - 0.25, plan.width_m, top + plan.floor_m - 0.1, _dim(plan.trim, 0.9))


def draw_front(plan: FrontPlan, dice: Dice) -> Ripmap:
    """The texture of a front, upper edge first."""
    art = _wall(plan, dice.generator())
    _upper_floors(art, plan, dice)
    if plan.ground == "shop":
        _shop(art, plan, dice)
    elif plan.ground == "house":
        door = dice.below(plan.bays)
        pitch = plan.width_m / plan.bays
        for bay in range(plan.bays):
            x = (bay + 0.5) * pitch
            if bay == door:
                _door(art, x - 0.5, plan.height_m, plan, dice)
            else:
                _window(art, x - 0.85, plan.height_m - 2.45, (1.7, 1.6), plan, dice)
    else:
        _door(art, 0.5 * plan.width_m - 0.5, plan.height_m, plan, dice)
    _box(art, 0.0, 0.0, plan.width_m, 0.2, plan.trim)
    _box(art, 0.0, 0.2, plan.width_m, 0.34, _dim(plan.wall, 0.6))
    pipe = dice.pick((0.12, plan.width_m - 0.22))
    _box(art, pipe, 0.3, pipe + 0.1, plan.height_m, (58, 58, 60))
    art[..., 3] = 255
    return Ripmap(art, plan.width_m, plan.height_m)
