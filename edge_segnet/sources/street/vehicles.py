"""Cars, vans and buses as small meshes, so that each is seen from its own angle.

Mesh coordinates in metres: x to the vehicle's right, y up, z from its tail to its nose. Corners of a face run clockwise
as seen from outside, so that a face whose corners run the other way in the picture is turned away.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_segnet.sources.street.camera import Floats
from edge_segnet.sources.street.dice import Dice
from edge_segnet.sources.street.stage import CAR, Colour, Stage

_NEAR_M = 0.8
PAINT, GLASS, TYRE, RIM, TAIL_LIGHT, HEAD_LIGHT, REAR_PLATE, FRONT_PLATE, TRIM = range(9)
LEFT, RIGHT, END, UP = range(4)
_PAINTS: tuple[Colour, ...] = (
    (176, 180, 182),
    (150, 154, 158),
    (92, 94, 98),
    (36, 36, 38),
    (54, 46, 44),
    (120, 66, 34),
    (84, 44, 26),
    (44, 36, 140),
    (40, 34, 96),
    (216, 218, 218),
    (200, 204, 206),
    (66, 84, 48),
    (150, 120, 90),
    (60, 120, 160),
)
_BUS_PAINTS: tuple[Colour, ...] = ((46, 36, 170), (170, 96, 40), (214, 216, 216), (90, 140, 60))
_FIXED_PAINTS: tuple[Colour, ...] = (
    (0, 0, 0),
    (62, 54, 46),
    (30, 30, 31),
    (132, 136, 138),
    (40, 34, 170),
    (226, 232, 232),
    (60, 190, 214),
    (220, 222, 222),
    (44, 44, 46),
)
Point = tuple[float, float, float]


@dataclass
class _Build:
    """Faces under construction."""

    corners: list[Point] = field(default_factory=list)
    faces: list[list[int]] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    sides: list[int] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)
    fine: list[bool] = field(default_factory=list)

    def face(self, points: Sequence[Point], kind: int, side: int, gain: float = 1.0, fine: bool = False) -> None:
        self.faces.append(list(range(len(self.corners), len(self.corners) + len(points))))
        self.corners.extend(points)
        self.kinds.append(kind)
        self.sides.append(side)
        self.gains.append(gain)
        self.fine.append(fine)

    def flanks(
        self,
        outline: Sequence[tuple[float, float]],
        half: tuple[float, float],
        kind: int,
        gain: float = 1.0,
        fine: bool = False,
    ) -> None:
        """The same face on both sides. ``outline``: (z,y), from the tail upwards and forwards; ``half``: distance from the
        middle plane at the outline's lowest and highest point."""
        low, high = min(y for _, y in outline), max(y for _, y in outline)

        def reach(y: float) -> float:
            return half[0] + (half[1] - half[0]) * (y - low) / max(high - low, 1e-6)

        self.face([(-reach(y), y, z) for z, y in reversed(outline)], kind, LEFT, gain, fine)
        self.face([(reach(y), y, z) for z, y in outline], kind, RIGHT, gain, fine)

    def panel(
        self,
        low: tuple[float, float],
        high: tuple[float, float],
        half: tuple[float, float],
        kind: int,
        side: int,
        gain: float = 1.0,
        fine: bool = False,
        nose: bool = False,
    ) -> None:
        """A face across the vehicle between two (z,y) lines with half widths ``half``; ``nose``: seen from ahead."""
        points: list[Point] = [
            (-half[1], high[1], high[0]),
            (half[1], high[1], high[0]),
            (half[0], low[1], low[0]),
            (-half[0], low[1], low[0]),
        ]
        self.face(points[::-1] if nose else points, kind, side, gain, fine)

    def wheels(self, stations: Sequence[float], half: float, radius: float) -> None:
        for z in stations:
            for scale, kind, gain in ((1.22, TRIM, 0.45), (1.0, TYRE, 1.0), (0.62, RIM, 1.0)):
                turn = [
                    (
                        z + scale * radius * math.cos(a),
                        radius + scale * radius * math.sin(a) * (1.0 if scale < 1.1 else 0.98),
                    )
                    for a in (-k * math.pi / 6.0 for k in range(12))
                ]
                outline = [(a, max(b, 0.02)) for a, b in turn]
                self.flanks(outline, (half + 0.01, half + 0.01), kind, gain, fine=kind != TYRE)

    def mesh(self, size: tuple[float, float, float]) -> Mesh:
        return Mesh(
            np.array(self.corners),
            self.faces,
            np.array([face[:3] for face in self.faces]),
            np.array(self.kinds),
            np.array(self.sides),
            np.array(self.gains),
            np.array(self.fine),
            size,
        )


@dataclass(frozen=True)
class Mesh:
    """``corners`` [N,3]; ``faces`` index them; ``kinds``, ``sides``, ``gains`` and ``fine`` have one entry per face.

    ``size``: length, width, height in metres. ``fine`` faces are left out far away.
    """

    corners: Floats
    faces: list[list[int]]
    firsts: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    kinds: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    sides: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    gains: Floats
    fine: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]
    size: tuple[float, float, float]


def _inset(outline: Sequence[tuple[float, float]], share: float) -> list[tuple[float, float]]:
    z0 = sum(z for z, _ in outline) / len(outline)
    y0 = sum(y for _, y in outline) / len(outline)
    return [(z0 + (z - z0) * share, y0 + (y - y0) * share) for z, y in outline]


def car(length: float, width: float, height: float, boot: float, bonnet: float) -> Mesh:
    """A hatchback (``boot`` near 0) or saloon; ``boot`` and ``bonnet`` are the lengths of the flat lids in metres."""
    b = _Build()
    half, nose = 0.5 * width, length - bonnet
    belt, waist = 0.64 * height, 0.5 * height
    b.flanks(
        [
            (0.0, 0.26),
            (0.0, waist),
            (0.14, belt),
            (nose, belt - 0.02),
            (length - 0.12, waist),
            (length, 0.44),
            (length, 0.26),
        ],
        (half * 0.96, half * 0.96),
        PAINT,
        0.82,
    )
    b.flanks(
        [(0.05, waist), (0.14, belt), (nose, belt - 0.02), (length - 0.2, waist + 0.02)],
        (half, half * 0.97),
        PAINT,
        1.06,
    )
    b.flanks(
        [(0.1, 0.2), (0.1, 0.32), (length - 0.1, 0.32), (length - 0.1, 0.2)], (half * 0.97, half * 0.97), TRIM, 0.7
    )
    lower, upper = half * 0.95, half * 0.9
    b.panel((0.0, 0.24), (0.0, 0.52 * height * 0.72), (lower, lower), PAINT, END, 0.72)
    b.panel((0.0, 0.52 * height * 0.72), (0.0, waist), (lower, lower), PAINT, END, 0.95)
    b.panel((0.0, waist), (0.14, belt), (lower, upper), PAINT, END, 1.1)
    b.panel((0.0, 0.2), (0.0, 0.34), (lower, lower), TRIM, END, 0.8)
    b.panel((length, 0.22), (length, 0.44), (lower, lower), PAINT, END, 0.8, nose=True)
    b.panel((length, 0.3), (length, 0.5), (half * 0.55, half * 0.55), TRIM, END, 0.7, nose=True)
    b.panel((length, 0.44), (length - 0.12, waist), (lower, lower), PAINT, END, 1.0, nose=True)
    b.panel((length - 0.12, waist), (nose, belt - 0.02), (lower, upper), PAINT, UP, 1.12, nose=True)
    if boot > 0.3:
        b.panel((0.14, belt), (boot, belt + 0.02), (upper, upper), PAINT, UP, 1.1)
    tail = max(0.14, boot)
    cabin = [
        (tail, belt),
        (tail + 0.32 + 0.3 * (boot > 0.3), height - 0.06),
        (nose - 0.95, height - 0.05),
        (nose + 0.1, belt - 0.02),
    ]
    roof_half = half * 0.7
    b.flanks(cabin, (half * 0.96, roof_half), PAINT, 0.95)
    panes = _inset(cabin, 0.86)
    b.flanks(panes, (half * 0.955, roof_half * 1.04), GLASS, 1.0)
    split = 0.5 * (panes[1][0] + panes[2][0])
    b.flanks(
        [(split, belt + 0.04), (split, height - 0.1), (split + 0.09, height - 0.1), (split + 0.09, belt + 0.04)],
        (half * 0.96, roof_half * 1.05),
        PAINT,
        0.8,
        fine=True,
    )
    b.panel(cabin[0], cabin[1], (half * 0.93, roof_half), PAINT, END, 1.0)
    b.panel(
        _mid(cabin[0], cabin[1], 0.12), _mid(cabin[0], cabin[1], 0.9), (half * 0.84, roof_half * 0.92), GLASS, END, 1.0
    )
    b.panel(
        _mid(cabin[0], cabin[1], 0.55),
        _mid(cabin[0], cabin[1], 0.9),
        (half * 0.76, roof_half * 0.9),
        GLASS,
        END,
        1.9,
        True,
    )
    b.panel(cabin[3], cabin[2], (half * 0.93, roof_half), PAINT, END, 0.9, nose=True)
    b.panel(
        _mid(cabin[3], cabin[2], 0.06),
        _mid(cabin[3], cabin[2], 0.94),
        (half * 0.88, roof_half * 0.95),
        GLASS,
        END,
        1.2,
        nose=True,
    )
    b.panel(
        _mid(cabin[3], cabin[2], 0.55),
        _mid(cabin[3], cabin[2], 0.94),
        (half * 0.8, roof_half * 0.93),
        GLASS,
        END,
        2.2,
        True,
        nose=True,
    )
    b.panel(cabin[1], (nose - 0.95, height), (roof_half, roof_half), PAINT, UP, 1.15)
    _lamps(b, half, waist, length)
    b.wheels((0.17 * length, length - 0.19 * length), half * 0.97, 0.3)
    return b.mesh((length, width, height))


def _mid(first: tuple[float, float], last: tuple[float, float], share: float) -> tuple[float, float]:
    return first[0] + (last[0] - first[0]) * share, first[1] + (last[1] - first[1]) * share


def _lamps(b: _Build, half: float, waist: float, length: float) -> None:
    for side in (-1.0, 1.0):
        for z, kind, nose in ((-0.01, TAIL_LIGHT, False), (length + 0.01, HEAD_LIGHT, True)):
            low, high = (waist - 0.16, waist + 0.1) if not nose else (0.5, 0.66)
            back = z if not nose else z - 0.1
            inner, outer = (0.68, 0.93) if not nose else (0.58, 0.92)
            x0, x1 = sorted((side * inner * half, side * outer * half))
            points: list[Point] = [(x0, high, back), (x1, high, back), (x1, low, z), (x0, low, z)]
            b.face(points[::-1] if nose else points, kind, END, 1.0)
    b.panel((-0.02, 0.42), (-0.02, 0.53), (0.26, 0.26), REAR_PLATE, END)
    b.panel((length + 0.02, 0.3), (length + 0.02, 0.41), (0.26, 0.26), FRONT_PLATE, END, nose=True)


def box(length: float, width: float, height: float, decks: int) -> Mesh:
    """A van (``decks`` 0) or a bus with rows of windows."""
    b = _Build()
    half, slope = 0.5 * width, 0.9 if decks == 0 else 0.15
    chin = 1.05 if decks == 0 else 0.5
    side = [
        (0.0, 0.35),
        (0.0, height),
        (length - slope - chin * 0.6, height),
        (length - 0.6 * chin, 1.15),
        (length, 0.9),
        (length, 0.35),
    ]
    b.flanks(side, (half, half * 0.96), PAINT, 0.95)
    b.flanks([(0.0, 0.35), (0.0, 0.75), (length, 0.75), (length, 0.35)], (half * 1.01, half * 1.01), PAINT, 0.72)
    b.panel((0.0, 0.35), (0.0, height), (half, half * 0.96), PAINT, END, 0.92)
    b.panel((0.0, 0.3), (0.0, 0.6), (half, half), TRIM, END, 0.9)
    top = (length - slope - chin * 0.6, height)
    b.panel((length, 0.35), (length, 0.9), (half, half), PAINT, END, 0.85, nose=True)
    b.panel((length, 0.9), (length - 0.6 * chin, 1.15), (half, half), PAINT, UP, 1.05, nose=True)
    b.panel((length - 0.6 * chin, 1.15), top, (half, half * 0.96), PAINT, END, 1.0, nose=True)
    b.panel(
        _mid((length - 0.6 * chin, 1.15), top, 0.08),
        _mid((length - 0.6 * chin, 1.15), top, 0.85 if decks == 0 else 0.42),
        (half * 0.92, half * 0.88),
        GLASS,
        END,
        1.3,
        nose=True,
    )
    b.panel((0.0, height), (top[0], height + 0.02), (half * 0.96, half * 0.96), PAINT, UP, 1.1)
    for deck in range(max(decks, 1)):
        low = 1.15 + 1.75 * deck
        high = low + 0.85
        first = length - 2.1 if decks == 0 else 0.5
        b.flanks(
            [(first, low), (first, high), (length - slope - 0.75, high), (length - slope - 0.5, low)],
            (half * 1.0, half * 0.985),
            GLASS,
            1.0,
        )
        if decks:
            b.panel(
                (length - 0.3, low + 0.2),
                (length - 0.45, high + 0.3),
                (half * 0.9, half * 0.9),
                GLASS,
                END,
                1.2,
                nose=True,
            )
        b.panel((-0.01, low + 0.1), (-0.01, high), (half * 0.84, half * 0.82), GLASS, END, 1.0)
        b.panel((-0.02, low + 0.5), (-0.02, high - 0.03), (half * 0.78, half * 0.77), GLASS, END, 1.8, True)
    _lamps(b, half, 0.95, length)
    b.wheels((0.2 * length, length - 0.95 if decks == 0 else 0.72 * length), half, 0.34 if decks == 0 else 0.48)
    return b.mesh((length, width, height))


MESHES: tuple[Mesh, ...] = (
    car(3.8, 1.68, 1.46, 0.0, 0.95),
    car(4.15, 1.74, 1.45, 0.0, 1.1),
    car(4.5, 1.76, 1.42, 0.85, 1.2),
    car(4.6, 1.84, 1.66, 0.0, 1.15),
    car(4.35, 1.74, 1.44, 0.7, 1.1),
    box(5.0, 1.95, 2.15, 0),
    box(10.2, 2.45, 4.1, 2),
    box(9.5, 2.45, 3.0, 1),
)
_CARS = 5


@dataclass(frozen=True)
class Vehicle:
    """A vehicle whose tail (head, if ``oncoming``) is at ``s``, its middle at ``t``."""

    s: float
    t: float
    mesh: Mesh
    paint: Colour
    oncoming: bool
    braking: bool = False

    def draw(self, stage: Stage) -> None:
        view, mesh = stage.view, self.mesh
        z_mean = self.s + 0.5 * mesh.size[0] - view.s
        if z_mean + 0.5 * mesh.size[0] < 1.0:
            return
        corners = mesh.corners
        across = self.t - corners[:, 0] if self.oncoming else self.t + corners[:, 0]
        along = self.s + (mesh.size[0] - corners[:, 2] if self.oncoming else corners[:, 2])
        points = view.points(np.maximum(along, view.s + _NEAR_M), across, corners[:, 1])
        tones = self._tones(stage, z_mean)
        fixed = np.clip(points * 16.0, -400000.0, 400000.0).astype(np.int32)
        a, b, c = (points[mesh.firsts[:, k]] for k in range(3))
        towards = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]) > 0.0
        if view.f * mesh.size[1] / max(z_mean, 1.0) < 20.0:
            towards &= ~mesh.fine
        for number in np.flatnonzero(towards).tolist():
            stage.fill(fixed[mesh.faces[number]], tones[number])

    def _tones(self, stage: Stage, z: float) -> list[list[float]]:
        """BGR and label for every face."""
        light, mesh = stage.light, self.mesh
        paints = np.array([self.paint, *_FIXED_PAINTS[1:]])
        if self.braking:
            paints[TAIL_LIGHT] = (70, 60, 250)
        # A side that looks right is lit like a house front that looks right: those stand on the left.
        sides = (light.right, light.left) if not self.oncoming else (light.left, light.right)
        gains = np.stack([*sides, light.facing, light.ground * 1.05])[mesh.sides] * mesh.gains[:, None]
        gains[mesh.kinds == TAIL_LIGHT] = 1.0
        veil = light.veil(z)
        tones = np.minimum(paints[mesh.kinds] * gains, 255.0) * (1.0 - veil) + light.haze * veil
        return np.column_stack([tones, np.full(len(tones), float(CAR))]).tolist()  # type: ignore[no-any-return]


def any_vehicle(dice: Dice, s: float, t: float, oncoming: bool, parked: bool = False) -> Vehicle:
    """A car, now and then a van or (not parked) a bus."""
    chance = dice.unit()
    if chance < 0.1:
        mesh = MESHES[_CARS]
    elif chance < 0.17 and not parked:
        mesh = MESHES[_CARS + 1 + dice.below(2)]
    else:
        mesh = MESHES[dice.below(_CARS)]
    paint = dice.pick(_BUS_PAINTS if mesh.size[0] > 8.0 else _PAINTS)
    return Vehicle(s, t, mesh, paint, oncoming)
