"""The faces of signs and traffic lights, as textures of 64 pixels."""

from __future__ import annotations

import math

import cv2
import numpy as np

from edge_segnet.street.dice import Dice
from edge_segnet.street.texture import Pixels, Ripmap

Bgr = tuple[float, float, float]
_WHITE, _BLACK, _RED, _BLUE = (232, 234, 234), (36, 36, 38), (44, 40, 190), (170, 92, 34)
_SIZE = 64
_TOWNS = ("CENTRE", "STATION", "MILTON", "THE NORTH", "PARK+RIDE", "LONDON")
_SHOPS = ("INN", "CAFE", "TAXI", "BAR", "SALE", "OPEN", "DELI", "TO LET")


def _ink(colour: Bgr) -> tuple[float, float, float, float]:
    return (*colour, 255.0)


def _write(art: Pixels, text: str, centre: tuple[int, int], scale: float, colour: Bgr, thick: int = 2) -> None:
    size, _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, scale, thick)
    corner = (centre[0] - size[0] // 2, centre[1] + size[1] // 2)
    alpha = art[..., 3].copy()
    cv2.putText(art, text, corner, cv2.FONT_HERSHEY_DUPLEX, scale, _ink(colour), thick, cv2.LINE_8)
    # Some versions of OpenCV smooth letters, and would make holes of their edges.
    art[..., 3] = alpha


def _empty(wide: int, high: int, edge: Bgr) -> Pixels:
    """Transparent, but of the edge's colour, so that small versions keep it."""
    art = np.zeros((high, wide, 4), np.uint8)
    art[..., :3] = edge
    return art


def disc(text: str, rim: Bgr, face: Bgr, ink: Bgr, bar: bool = False) -> Ripmap:
    """A round sign 0.65 m wide: a speed limit, no entry (``bar``), an order."""
    art = _empty(_SIZE, _SIZE, rim)
    cv2.circle(art, (32, 32), 31, _ink(rim), -1)
    cv2.circle(art, (32, 32), 24, _ink(face), -1)
    if bar:
        cv2.rectangle(art, (14, 27), (50, 37), _ink(_WHITE), -1)
    if text:
        _write(art, text, (32, 33), 0.95, ink)
    return Ripmap(art, 0.65, 0.65)


def triangle(text: str) -> Ripmap:
    """A warning, 0.8 m wide."""
    art = _empty(_SIZE, 58, _RED)
    for inset, colour in ((0.0, _RED), (0.28, _WHITE)):
        corners = [(32, 2 + 38 * inset), (62 - 44 * inset, 56 - 22 * inset), (2 + 44 * inset, 56 - 22 * inset)]
        cv2.fillConvexPoly(art, np.array(corners, np.int32), _ink(colour))
    _write(art, text, (32, 40), 0.62, _BLACK)
    return Ripmap(art, 0.8, 0.72)


def board(lines: list[str], face: Bgr, ink: Bgr, size_m: tuple[float, float]) -> Ripmap:
    """A rectangular sign with one or two lines."""
    wide, high = round(size_m[0] * 80), round(size_m[1] * 80)
    art = _empty(wide, high, face)
    art[:] = _ink(face)
    cv2.rectangle(art, (2, 2), (wide - 3, high - 3), _ink(ink), 1)
    for row, text in enumerate(lines):
        centre = (wide // 2, round(high * (row + 0.5) / len(lines)))
        _write(art, text, centre, min(0.9, 0.048 * wide / max(len(text), 2)), ink, 1)
    return Ripmap(art, *size_m)


def hanging(text: str, face: Bgr, ink: Bgr) -> Ripmap:
    """A shop's sign that sticks out into the street, 0.6 m x 0.95 m, with the bracket that holds it."""
    art = _empty(_SIZE, 100, face)
    cv2.rectangle(art, (2, 8), (61, 99), _ink(face), -1)
    cv2.rectangle(art, (0, 2), (63, 7), _ink(_BLACK), -1)
    cv2.rectangle(art, (2, 8), (61, 98), _ink(ink), 2)
    cv2.circle(art, (32, 38), 17, _ink(ink), 2)
    _write(art, text, (32, 78), min(0.6, 2.0 / len(text)), ink, 1)
    return Ripmap(art, 0.6, 0.95)


def signal(lit: int) -> Ripmap:
    """A traffic light's head, 0.5 m x 1.15 m; ``lit``: 0 red, 1 amber, 2 green."""
    art = _empty(40, 92, _BLACK)
    art[:] = _ink((30, 30, 32))
    cv2.rectangle(art, (0, 0), (39, 91), _ink((70, 72, 74)), 2)
    lamps: tuple[Bgr, ...] = ((60, 54, 255), (60, 190, 255), (150, 245, 90))
    for number, colour in enumerate(lamps):
        gain = 1.0 if number == lit else 0.22
        centre = (20, 17 + 29 * number)
        cv2.circle(art, centre, 11, _ink((colour[0] * gain, colour[1] * gain, colour[2] * gain)), -1)
        cv2.ellipse(art, centre, (13, 13), 0, 180, 360, _ink((16, 16, 16)), 2)
    return Ripmap(art, 0.5, 1.15)


def traffic_signs(dice: Dice) -> list[Ripmap]:
    """What stands at the kerb."""
    arrow = disc("", _BLUE, _BLUE, _WHITE)
    tip = [(32 + 20 * math.cos(a), 32 + 20 * math.sin(a)) for a in (-2.356, -0.9, 2.47)]
    cv2.fillConvexPoly(arrow.base, np.array(tip, np.int32), _ink(_WHITE))
    return [
        disc("30", _RED, _WHITE, _BLACK),
        disc("20", _RED, _WHITE, _BLACK),
        disc("", _RED, _RED, _WHITE, bar=True),
        arrow,
        triangle("!"),
        triangle("X"),
        board(["P", "2 h"], _BLUE, _WHITE, (0.5, 0.75)),
        board(["BUS", "STOP"], _WHITE, _RED, (0.5, 0.6)),
        board([dice.pick(_TOWNS)], (84, 110, 24), _WHITE, (1.3, 0.45)),
    ]


def shop_signs(dice: Dice) -> list[Ripmap]:
    """What hangs from the houses."""
    colours = (
        (_WHITE, _BLACK),
        ((50, 46, 130), _WHITE),
        ((86, 58, 34), _WHITE),
        ((52, 84, 44), _WHITE),
        ((70, 190, 220), _BLACK),
    )
    return [hanging(dice.pick(_SHOPS), *pair) for pair in colours]


def direction_boards(dice: Dice) -> list[Ripmap]:
    """Large boards for drivers, on two lines."""
    faces: tuple[tuple[Bgr, Bgr], ...] = (((84, 110, 24), _WHITE), (_WHITE, _BLACK), ((160, 84, 30), _WHITE))
    return [board([dice.pick(_TOWNS), dice.pick(_TOWNS)], face, ink, (1.7, 1.0)) for face, ink in faces]
