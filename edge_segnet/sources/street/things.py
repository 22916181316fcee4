"""What stands along the street. Everything knows how to draw itself and which shadow it throws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from edge_segnet.sources.street.camera import View
from edge_segnet.sources.street.ground import Ground
from edge_segnet.sources.street.light import Light, Vector
from edge_segnet.sources.street.stage import BUILDING, POLE, SIGN, TREE, Colour, Stage
from edge_segnet.sources.street.texture import Ripmap

Key = tuple[int, int, float]
BACKDROP, HOUSES, GARDEN, BORDER, STREET = range(5)
"""Layers of one plot, from the back to the front."""


class Thing(Protocol):
    """Something to draw. ``key`` sorts from the back to the front: minus the plot's number, layer, minus s."""

    key: Key

    def draw(self, stage: Stage) -> None: ...

    def shade(self, ground: Ground, stage: Stage) -> None:
        """Throw a shadow on the floor."""
        ...


def side_light(light: Light, t: float) -> Vector:
    """The light on a surface that looks at the street from where it stands."""
    return light.left if t < 0.0 else light.right


def dark(light: Light, depth: float = 1.0) -> int:
    """How much of 255 is left in a shadow."""
    return int(255 * (1.0 - depth * (1.0 - light.shadow)))


@dataclass
class Building:
    """A house from s = ``run[0]`` to ``run[1]`` whose front stands at ``t``; ``rise`` is its roof's height, 0 for flat."""

    key: Key
    run: tuple[float, float]
    t: float
    height: float
    rise: float
    front: Ripmap
    gable: Ripmap
    roof: Ripmap
    tint: Vector
    open_end: bool
    depth: float = 9.0

    def draw(self, stage: Stage) -> None:
        light, view = stage.light, stage.view
        out = math.copysign(self.depth, self.t)
        start, end = self.run
        if self.open_end and start - view.s > 2.0:
            gain = light.facing * self.tint
            sides = (self.t, self.t + out) if out > 0.0 else (self.t + out, self.t)
            stage.across(self.gable, start, sides, (0.0, self.height), gain, BUILDING)
            if self.rise > 0.0:
                points = [
                    view.point(start, t, h)
                    for t, h in (
                        (self.t, self.height),
                        (self.t + 0.5 * out, self.height + self.rise),
                        (self.t + out, self.height),
                    )
                ]
                mean = self.gable.level(1e9, 1e9)[..., :3].mean(axis=(0, 1))
                stage.polygon(points, stage.tone((mean[0], mean[1], mean[2]), gain, start - view.s), BUILDING)
        if self.rise > 0.0:
            self._chimney(stage, out)
            stage.wall(
                self.roof,
                self.run,
                self.t,
                (self.height, self.height + self.rise),
                side_light(light, self.t) * 0.95,
                BUILDING,
                lean=0.5 * out,
            )
        stage.wall(self.front, self.run, self.t, (0.0, self.height), side_light(light, self.t) * self.tint, BUILDING)

    def _chimney(self, stage: Stage, out: float) -> None:
        view = stage.view
        s = self.run[1] - 0.7
        z = s - view.s
        if z < 4.0:
            return
        ridge, low, high = self.t + 0.5 * out, self.height + 0.6 * self.rise, self.height + self.rise + 1.3
        inner = ridge - math.copysign(0.45, out)
        flank = [
            view.point(s, inner, high),
            view.point(s + 1.2, inner, high),
            view.point(s + 1.2, inner, low),
            view.point(s, inner, low),
        ]
        stage.polygon(flank, stage.tone((84, 98, 132), side_light(stage.light, self.t), z), BUILDING)
        far = inner + math.copysign(0.9, out)
        face = [
            view.point(s, inner, high),
            view.point(s, far, high),
            view.point(s, far, low),
            view.point(s, inner, low),
        ]
        stage.polygon(face, stage.tone((84, 98, 132), stage.light.facing, z), BUILDING)

    def shade(self, ground: Ground, stage: Stage) -> None:
        light = stage.light
        lean = light.lean * (self.height + 0.6 * self.rise)
        inward = -math.copysign(1.0, self.t)
        # Even without sun the foot of a wall is darker than the open street.
        start, end = self.run
        ground.shadow(
            stage, (start, end, end, start), (self.t, self.t, self.t + 0.5 * inward, self.t + 0.5 * inward), 215
        )
        if lean * inward > 0.2 and light.shadow < 0.9:
            along = light.reach * self.height
            ground.shadow(
                stage,
                (start, end, end + along, start + along),
                (self.t, self.t, self.t + lean, self.t + lean),
                dark(light),
            )


@dataclass
class Panel:
    """A fence, wall, hedge or backdrop along the street."""

    key: Key
    run: tuple[float, float]
    t: float
    height: float
    texture: Ripmap
    label: int
    gain: float = 1.0
    see_through: bool = False

    def draw(self, stage: Stage) -> None:
        stage.wall(
            self.texture,
            self.run,
            self.t,
            (0.0, self.height),
            side_light(stage.light, self.t) * self.gain,
            self.label,
            solid=self.see_through,
        )

    def shade(self, ground: Ground, stage: Stage) -> None:
        lean = stage.light.lean * self.height
        if stage.light.shadow > 0.9 or self.see_through or self.key[1] == BACKDROP:
            return
        start, end = self.run
        ground.shadow(
            stage, (start, end, end, start), (self.t, self.t, self.t + lean, self.t + lean), dark(stage.light)
        )


@dataclass
class Tree:
    key: Key
    s: float
    t: float
    height: float
    texture: Ripmap
    flip: bool
    gain: float = 1.0

    def draw(self, stage: Stage) -> None:
        view = stage.view
        z = self.s - view.s
        if z < 2.5:
            return
        scale = view.f / z
        wide = self.height * self.texture.width_m / self.texture.height_m
        light = (0.4 * side_light(stage.light, self.t) + 0.6 * stage.light.facing) * self.gain
        stage.upright(
            self.texture,
            view.point(self.s, self.t, 0.0),
            (wide * scale, self.height * scale),
            light,
            z,
            TREE,
            self.flip,
        )

    def shade(self, ground: Ground, stage: Stage) -> None:
        light = stage.light
        if light.shadow > 0.9 or self.s - stage.view.s > 90.0:
            return
        # Leaves let spots of light through: a handful of patches instead of one.
        spots = np.arange(9)
        for turn, reach in zip(spots * 2.399, 0.34 * np.sqrt(spots / 9.0), strict=True):
            centre = 0.68 + reach * math.sin(turn) * 0.6
            s = self.s + self.height * (light.reach * centre + reach * math.cos(turn))
            t = self.t + self.height * (light.lean * centre + 0.5 * reach * math.sin(turn + 1.0))
            radius = self.height * (0.10 + 0.05 * math.sin(5.0 * turn + self.s))
            angles = np.arange(7) * 0.9
            ground.shadow(
                stage, (s + radius * np.cos(angles)).tolist(), (t + radius * np.sin(angles)).tolist(), dark(light, 0.92)
            )


def _upright_bar(
    stage: Stage, s: float, t: float, heights: tuple[float, float], wide: float, colour: Colour, label: int
) -> None:
    """A post, lighter on one side; never thinner than a pixel and a bit."""
    view = stage.view
    z = s - view.s
    low, high = view.point(s, t, heights[0]), view.point(s, t, heights[1])
    half = max(0.5 * wide * view.f / z, 0.55)
    tone = stage.tone(colour, stage.light.facing, z)
    stage.polygon(
        [(high[0] - half, high[1]), (high[0] + half, high[1]), (low[0] + half, low[1]), (low[0] - half, low[1])],
        tone,
        label,
    )
    if half > 1.4:
        bright = stage.tone((colour[0] * 1.35, colour[1] * 1.35, colour[2] * 1.35), stage.light.facing, z)
        edge = half * 0.25
        stage.polygon(
            [
                (high[0] - half * 0.7, high[1]),
                (high[0] - edge, high[1]),
                (low[0] - edge, low[1]),
                (low[0] - half * 0.7, low[1]),
            ],
            bright,
            label,
        )


@dataclass
class Lamp:
    """A street lamp whose arm reaches over the road."""

    key: Key
    s: float
    t: float
    height: float
    colour: Colour

    def draw(self, stage: Stage) -> None:
        view = stage.view
        z = self.s - view.s
        if z < 3.0:
            return
        _upright_bar(stage, self.s, self.t, (0.0, 1.4), 0.24, self.colour, POLE)
        _upright_bar(stage, self.s, self.t, (1.4, self.height), 0.15, self.colour, POLE)
        inward = -math.copysign(1.0, self.t)
        tone = stage.tone(self.colour, stage.light.facing, z)
        thick = max(0.09, 1.1 * z / view.f)
        tip = self.t + 1.5 * inward
        arm = [
            view.point(self.s, self.t, self.height),
            view.point(self.s, tip, self.height + 0.5),
            view.point(self.s, tip, self.height + 0.5 - thick),
            view.point(self.s, self.t, self.height - thick),
        ]
        stage.polygon(arm, tone, POLE)
        head = [
            view.point(self.s, tip - 0.35, self.height + 0.6),
            view.point(self.s, tip + 0.35, self.height + 0.6),
            view.point(self.s, tip + 0.28, self.height + 0.4),
            view.point(self.s, tip - 0.28, self.height + 0.4),
        ]
        stage.polygon(head, stage.tone((150, 154, 156), stage.light.facing, z), POLE)

    def shade(self, ground: Ground, stage: Stage) -> None:
        _thin_shadow(ground, stage, self.s, self.t, self.height)


def _thin_shadow(ground: Ground, stage: Stage, s: float, t: float, height: float) -> None:
    light = stage.light
    if light.shadow > 0.9 or s - stage.view.s > 60.0:
        return
    along, across = light.reach * height, light.lean * height
    ground.shadow(
        stage,
        (s - 0.09, s + 0.09, s + along + 0.09, s + along - 0.09),
        (t, t, t + across, t + across),
        dark(light, 0.9),
    )


@dataclass
class Bollard:
    key: Key
    s: float
    t: float
    height: float
    colour: Colour

    def draw(self, stage: Stage) -> None:
        if self.s - stage.view.s > 2.5:
            _upright_bar(stage, self.s, self.t, (0.0, self.height), 0.16, self.colour, POLE)
            _upright_bar(stage, self.s, self.t, (self.height - 0.2, self.height - 0.1), 0.17, (200, 206, 208), POLE)

    def shade(self, ground: Ground, stage: Stage) -> None:
        _thin_shadow(ground, stage, self.s, self.t, self.height)


_SHAPES: dict[str, list[tuple[float, float]]] = {
    "disc": [(math.cos(a * math.pi / 8.0), math.sin(a * math.pi / 8.0)) for a in range(16)],
    "triangle": [(0.0, 1.0), (1.0, -0.72), (-1.0, -0.72)],
    "board": [(-1.0, 0.7), (1.0, 0.7), (1.0, -0.7), (-1.0, -0.7)],
    "flag": [(-0.6, 1.0), (0.6, 1.0), (0.6, -1.0), (-0.6, -1.0)],
}


@dataclass
class TrafficSign:
    """A plate on a post (``post`` False: hanging from a house), with a rim, a face and something written on it."""

    key: Key
    s: float
    t: float
    height: float
    radius: float
    shape: str
    rim: Colour
    face: Colour
    ink: Colour
    post: bool = True

    def draw(self, stage: Stage) -> None:
        view = stage.view
        z = self.s - view.s
        if z < 3.0:
            return
        if self.post:
            _upright_bar(stage, self.s, self.t, (0.0, self.height + 0.3 * self.radius), 0.08, (128, 132, 134), POLE)
        u, v = view.point(self.s, self.t, self.height)
        scale = max(view.f / z * self.radius, 1.2)
        gain = stage.light.facing * 1.1
        for share, colour in ((1.0, self.rim), (0.76, self.face)):
            points = [(u + x * scale * share, v - y * scale * share) for x, y in _SHAPES[self.shape]]
            stage.polygon(points, stage.tone(colour, gain, z), SIGN)
        if scale > 4.0:
            for row in (0.22, -0.16):
                bar = [
                    (u - 0.4 * scale, v - row * scale),
                    (u + 0.4 * scale, v - row * scale),
                    (u + 0.4 * scale, v - (row - 0.2) * scale),
                    (u - 0.4 * scale, v - (row - 0.2) * scale),
                ]
                stage.polygon(bar, stage.tone(self.ink, gain, z), SIGN)

    def shade(self, ground: Ground, stage: Stage) -> None:
        if self.post:
            _thin_shadow(ground, stage, self.s, self.t, self.height)


@dataclass
class Signal:
    """A traffic light; it is green when the camera comes near."""

    key: Key
    s: float
    t: float

    def draw(self, stage: Stage) -> None:
        view = stage.view
        z = self.s - view.s
        if z < 3.0:
            return
        _upright_bar(stage, self.s, self.t, (0.0, 3.0), 0.12, (52, 52, 54), POLE)
        self._plate(stage, z, 0.28, (2.1, 3.35), (36, 36, 38))
        state = 0 if z > 75.0 else 1 if z > 66.0 else 2
        colours: tuple[Colour, ...] = ((60, 50, 250), (50, 180, 250), (150, 240, 90))
        for lens, colour in enumerate(colours):
            lit = lens == state
            u, v = view.point(self.s, self.t, 3.1 - 0.38 * lens)
            radius = max(0.13 * view.f / z, 0.7)
            tone = colour if lit else (colour[0] * 0.2, colour[1] * 0.2, colour[2] * 0.2)
            stage.polygon([(u + x * radius, v - y * radius) for x, y in _SHAPES["disc"]], tone, SIGN)

    def _plate(self, stage: Stage, z: float, half: float, heights: tuple[float, float], colour: Colour) -> None:
        view: View = stage.view
        left, top = view.point(self.s, self.t - half, heights[1])
        right, bottom = view.point(self.s, self.t + half, heights[0])
        stage.polygon(
            [(left, top), (right, top), (right, bottom), (left, bottom)],
            stage.tone(colour, stage.light.facing, z),
            SIGN,
        )

    def shade(self, ground: Ground, stage: Stage) -> None:
        _thin_shadow(ground, stage, self.s, self.t, 3.3)
