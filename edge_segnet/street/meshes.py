"""Cars, vans and buses as meshes of some forty flat faces.

Coordinates in metres: x to the vehicle's right, y up, z from its tail to its nose. The corners of a face run clockwise
as seen from outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from edge_segnet.street.camera import Floats

PAINT, GLASS, TYRE, RIM, TAIL_LIGHT, HEAD_LIGHT, REAR_PLATE, FRONT_PLATE, TRIM = range(9)
"""What a face is made of."""
LEFT, RIGHT, END, UP = range(4)
"""Where it looks, which decides its light."""
Point = tuple[float, float, float]
Line = Sequence[tuple[float, float]]
"""(z,y) from the tail upwards, forwards and down again."""


@dataclass(frozen=True)
class Mesh:
    """``corners`` [N,3]; ``faces`` index them. Per face: ``normals`` and ``origins`` [F,3], ``kinds``, ``sides``,
    ``gains`` and ``fine`` (left out far away). ``size``: length, width, height in metres."""

    corners: Floats
    faces: list[list[int]]
    normals: Floats
    origins: Floats
    kinds: NDArray[np.int64]
    sides: NDArray[np.int64]
    gains: Floats
    fine: NDArray[np.bool_]
    size: tuple[float, float, float]


@dataclass
class _Builder:
    """Faces under construction, in the order in which they are drawn."""

    faces: list[list[Point]] = field(default_factory=list)
    looks: list[tuple[int, int, float, bool]] = field(default_factory=list)

    def face(self, points: Sequence[Point], kind: int, side: int, gain: float = 1.0, fine: bool = False) -> None:
        self.faces.append(list(points))
        self.looks.append((kind, side, gain, fine))

    def flanks(self, line: Line, half: tuple[float, float], kind: int, gain: float = 1.0, fine: bool = False) -> None:
        """A convex face on both sides; ``half``: distance from the middle plane at its lowest and highest point."""
        low, high = min(y for _, y in line), max(y for _, y in line)
        reach = [(half[0] + (half[1] - half[0]) * (y - low) / max(high - low, 1e-6), y, z) for z, y in line]
        self.face([(-x, y, z) for x, y, z in reversed(reach)], kind, LEFT, gain, fine)
        self.face(reach, kind, RIGHT, gain, fine)

    def strip(
        self,
        first: tuple[float, float],
        last: tuple[float, float],
        half: tuple[float, float],
        kind: int,
        gain: float,
        fine: bool = False,
    ) -> None:
        """A face across the vehicle, from the line (z,y) ``first`` to ``last``, going from the tail over the roof."""
        (z0, y0), (z1, y1) = first, last
        points: list[Point] = [(-half[1], y1, z1), (half[1], y1, z1), (half[0], y0, z0), (-half[0], y0, z0)]
        self.face(points, kind, UP if abs(z1 - z0) > 1.4 * abs(y1 - y0) else END, gain, fine)

    def hull(self, line: Line, half: tuple[float, float], ends: float, gain: float = 1.0) -> None:
        """A closed body of paint: two flanks, and strips of ``ends`` times its width from its tail to its nose."""
        low, high = min(y for _, y in line), max(y for _, y in line)
        self.flanks(line, half, PAINT, 0.9 * gain)
        for (z0, y0), (z1, y1) in pairwise(line):
            slope = abs(z1 - z0) / (abs(z1 - z0) + abs(y1 - y0))
            reach = [ends * (half[0] + (half[1] - half[0]) * (y - low) / (high - low)) for y in (y0, y1)]
            # Whatever leans back mirrors more of the sky.
            self.strip((z0, y0), (z1, y1), (reach[0], reach[1]), PAINT, gain * (0.8 + 0.34 * slope))

    def pane(
        self, first: tuple[float, float], last: tuple[float, float], half: tuple[float, float], sky: float
    ) -> None:
        """A window across the vehicle; its upper part mirrors the sky, ``sky`` times as bright as the rest."""
        self.strip(between(first, last, 0.07), between(first, last, 0.92), (0.95 * half[0], 0.93 * half[1]), GLASS, 1.0)
        upper = (0.5, 0.9) if first[1] < last[1] else (0.1, 0.5)
        ends = between(first, last, upper[0]), between(first, last, upper[1])
        self.strip(*ends, (0.9 * half[0], 0.9 * half[1]), GLASS, sky, fine=True)

    def wheels(self, stations: Sequence[float], half: float, radius: float) -> None:
        angles = [-k * math.pi / 7.0 for k in range(14)]
        for z in stations:
            for scale, kind, gain in ((1.2, TRIM, 0.4), (1.0, TYRE, 1.0), (0.64, RIM, 1.0), (0.2, TRIM, 1.0)):
                turn = [
                    (z + scale * radius * math.cos(a), max(radius * (1.0 + scale * math.sin(a)), 0.01)) for a in angles
                ]
                self.flanks(turn, (half + 0.01, half + 0.01), kind, gain, fine=kind != TYRE)

    def lamps(self, half: float, tail: tuple[float, float], nose: tuple[float, float], length: float) -> None:
        """Lights and number plates; ``tail`` and ``nose``: lowest and highest y of the lights."""
        for side in (-1.0, 1.0):
            x0, x1 = sorted((side * 0.76 * half, side * 0.95 * half))
            (low, high), z = tail, -0.02
            self.face([(x0, high, z), (x1, high, z), (x1, low, z), (x0, low, z)], TAIL_LIGHT, END)
            x0, x1 = sorted((side * 0.56 * half, side * 0.94 * half))
            (low, high), z = nose, length + 0.02
            self.face([(x0, low, z), (x1, low, z), (x1, high, z - 0.12), (x0, high, z - 0.12)], HEAD_LIGHT, END)
        self.strip((-0.03, 0.44), (-0.03, 0.55), (0.26, 0.26), REAR_PLATE, 1.0)
        self.strip((length + 0.03, 0.44), (length + 0.03, 0.33), (0.26, 0.26), FRONT_PLATE, 1.0)

    def mesh(self, size: tuple[float, float, float]) -> Mesh:
        starts = np.cumsum([0, *(len(face) for face in self.faces)]).tolist()
        corners = np.array([point for face in self.faces for point in face])
        a, b, c = (corners[[start + k for start in starts[:-1]]] for k in range(3))
        kinds, sides, gains, fine = (np.array(column) for column in zip(*self.looks, strict=True))
        return Mesh(
            corners,
            [list(range(start, end)) for start, end in pairwise(starts)],
            np.cross(b - a, c - a),
            a,
            kinds,
            sides,
            gains,
            fine,
            size,
        )


def between(first: tuple[float, float], last: tuple[float, float], share: float) -> tuple[float, float]:
    return first[0] + (last[0] - first[0]) * share, first[1] + (last[1] - first[1]) * share


def _inset(line: Line, share: float) -> list[tuple[float, float]]:
    z0, y0 = sum(z for z, _ in line) / len(line), sum(y for _, y in line) / len(line)
    return [(z0 + (z - z0) * share, y0 + (y - y0) * share) for z, y in line]


def car(size: tuple[float, float, float], boot: float, bonnet: float) -> Mesh:
    """A hatchback (``boot`` 0) or saloon; ``size``: length, width, height; ``boot``, ``bonnet``: of their lids."""
    length, width, height = size
    b, half, nose = _Builder(), 0.5 * width, length - bonnet
    belt, waist = 0.65 * height, 0.5 * height
    b.hull(
        [
            (0.06, 0.24),
            (0.0, 0.5),
            (0.03, waist),
            (0.15, belt),
            (nose, belt - 0.01),
            (length - 0.45, belt - 0.12),
            (length - 0.1, waist),
            (length, 0.46),
            (length - 0.06, 0.24),
        ],
        (half * 0.97, half * 0.94),
        0.98,
    )
    # A crease below the windows catches the light, the sill lies in the dark.
    b.flanks(
        [(0.06, waist), (0.15, belt - 0.02), (nose, belt - 0.03), (length - 0.3, waist + 0.05)],
        (half * 0.985, half * 0.955),
        PAINT,
        1.1,
    )
    b.flanks(
        [(0.3, 0.18), (0.2, 0.33), (length - 0.2, 0.33), (length - 0.3, 0.18)], (half * 0.97, half * 0.98), TRIM, 0.55
    )
    b.strip((0.0, 0.2), (-0.01, 0.38), (half * 0.93, half * 0.95), TRIM, 0.9)
    b.strip((length + 0.01, 0.4), (length, 0.2), (half * 0.95, half * 0.93), TRIM, 0.8)
    b.strip((length - 0.02, 0.55), (length + 0.01, 0.46), (half * 0.5, half * 0.5), TRIM, 0.6, fine=True)
    b.lamps(half, (waist - 0.06, belt - 0.08), (0.52, 0.66), length)
    _cabin(b, half, (max(0.15, boot), nose, belt, height), boot > 0.3)
    b.wheels((0.18 * length, length - 0.19 * length), half * 0.975, 0.31)
    return b.mesh(size)


def _cabin(b: _Builder, half: float, place: tuple[float, float, float, float], saloon: bool) -> None:
    """Roof and windows; ``place``: z of tail and nose at the belt, y of belt and roof."""
    tail, nose, belt, top = place
    back = tail + (0.62 if saloon else 0.3)
    line = [
        (tail, belt),
        (back, top - 0.06),
        (back + 0.4, top),
        (nose - 1.3, top),
        (nose - 0.95, top - 0.05),
        (nose + 0.15, belt - 0.02),
    ]
    low, high = half * 0.93, half * 0.72
    b.hull(line, (low, high), 1.0)
    panes = _inset([line[0], line[1], line[4], line[5]], 0.87)
    b.flanks(panes, (low * 1.0, high * 1.05), GLASS)
    b.flanks(
        [
            (z, y - 0.02)
            for z, y in _inset(
                [between(panes[0], panes[1], 0.5), panes[1], panes[2], between(panes[3], panes[2], 0.5)], 0.97
            )
        ],
        (0.5 * (low + high) * 1.03, high * 1.06),
        GLASS,
        1.5,
        fine=True,
    )
    split = 0.5 * (panes[1][0] + panes[2][0])
    b.flanks(
        [(split, belt + 0.02), (split, top - 0.1), (split + 0.1, top - 0.1), (split + 0.1, belt + 0.02)],
        (low * 1.01, high * 1.07),
        PAINT,
        0.75,
        fine=True,
    )
    b.pane(line[0], line[1], (low, high * 1.02), 2.0)
    b.pane(line[4], line[5], (high * 1.02, low), 2.2)


def box(size: tuple[float, float, float], decks: int) -> Mesh:
    """A van (``decks`` 0) or a bus with rows of windows."""
    length, width, height = size
    b, half = _Builder(), 0.5 * width
    van = decks == 0
    brow, chin = (length - 1.55, length - 0.6) if van else (length - 0.3, length - 0.08)
    line = [
        (0.03, 0.32),
        (0.0, 0.8),
        (0.04, height - 0.08),
        (0.15, height),
        (brow, height),
        (chin, 1.15),
        (length, 0.85),
        (length, 0.32),
    ]
    b.hull(line, (half, half * 0.95), 1.0)
    b.flanks([(0.02, 0.32), (0.02, 0.6), (length, 0.6), (length, 0.32)], (half * 1.005, half * 1.005), TRIM, 0.9)
    b.strip((-0.01, 0.3), (-0.01, 0.55), (half, half), TRIM, 0.9)
    front = between((brow, height), (chin, 1.15), 0.1 if van else 0.58)
    b.pane(front, (chin, 1.15), (half * 0.93, half * 0.95), 2.0)
    for deck in range(max(decks, 1)):
        low = 1.18 + 1.72 * deck
        high = min(low + 0.8, height - 0.25)
        if van:
            b.flanks(
                [(length - 2.1, low), (length - 2.05, high), (length - 1.5, high), (length - 0.95, low)],
                (half * 1.0, half * 0.97),
                GLASS,
            )
        else:
            b.flanks([(0.5, low), (0.5, high), (length - 0.5, high), (length - 0.4, low)], (half, half * 0.985), GLASS)
            for k in range(1, 6):
                z = 0.5 + k * (length - 1.0) / 6.0
                b.flanks(
                    [(z, low), (z, high), (z + 0.12, high), (z + 0.12, low)],
                    (half * 1.005, half * 0.99),
                    PAINT,
                    0.7,
                    fine=True,
                )
            if deck:
                b.pane((length - 0.24, high), (length - 0.14, low), (half * 0.93, half * 0.94), 1.8)
        b.pane((-0.02, low), (-0.02, high), (half * 0.88, half * 0.9), 1.8)
    b.lamps(half, (0.75, 1.05), (0.62, 0.82), length)
    b.wheels((0.19 * length, length - 0.95 if van else 0.74 * length), half, 0.34 if van else 0.48)
    return b.mesh(size)


CARS: tuple[Mesh, ...] = (
    car((3.8, 1.68, 1.46), 0.0, 0.95),
    car((4.15, 1.74, 1.45), 0.0, 1.1),
    car((4.5, 1.76, 1.42), 0.85, 1.2),
    car((4.6, 1.84, 1.66), 0.0, 1.15),
    car((4.35, 1.74, 1.44), 0.7, 1.1),
    car((4.55, 1.76, 1.47), 0.0, 1.25),
)
VANS: tuple[Mesh, ...] = (box((5.0, 1.95, 2.2), 0), box((4.4, 1.8, 1.85), 0))
BUSES: tuple[Mesh, ...] = (box((10.2, 2.45, 4.2), 2), box((9.5, 2.45, 3.0), 1))
