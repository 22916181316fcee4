"""Trees, street lamps, bollards, signs and traffic lights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edge_segnet.street.light import Vector
from edge_segnet.street.shadows import CORNERS, Shadows
from edge_segnet.street.stage import POLE, SIGN, TREE, Colour, Stage
from edge_segnet.street.texture import Ripmap
from edge_segnet.street.things import Key, side_light

_SPOTS = np.arange(10)
_ROUND = np.arange(CORNERS) * (2.0 * math.pi / CORNERS)


@dataclass
class Tree:
    reach_m: ClassVar[float] = math.inf
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
        high = self.height * view.f / z
        size = (high * self.texture.width_m / self.texture.height_m, high)
        light = (0.4 * side_light(stage.light, self.t) + 0.6 * stage.light.facing) * self.gain
        stage.upright(self.texture, view.point(self.s, self.t, 0.0), size, light, z, TREE, self.flip)

    def shade(self, shadows: Shadows) -> None:
        """Leaves let spots of light through: a handful of patches instead of one."""
        shadows.box((self.s - 0.4, self.s + 0.4), (self.t - 0.4, self.t + 0.4), 150)
        if not shadows.sunny or shadows.ahead(self.s) > 60.0:
            return
        light = shadows.light
        turn, reach = _SPOTS * 2.399, 0.34 * np.sqrt(_SPOTS / len(_SPOTS))
        centre = 0.68 + 0.6 * reach * np.sin(turn)
        s = self.s + self.height * (light.reach * centre + reach * np.cos(turn))
        t = self.t + self.height * (light.lean * centre + 0.5 * reach * np.sin(turn + 1.0))
        radius = self.height * (0.10 + 0.05 * np.sin(5.0 * turn + self.s))[:, None]
        edges = (s[:, None] + radius * np.cos(_ROUND), t[:, None] + radius * np.sin(_ROUND))
        shadows.many(*edges, shadows.dark(0.92))


def draw_post(
    stage: Stage, s: float, t: float, heights: tuple[float, float], wide: float, colour: Colour, label: int = POLE
) -> None:
    """A post, lighter on one side; never thinner than a pixel and a bit."""
    view = stage.view
    z = s - view.s
    low, high = view.point(s, t, heights[0]), view.point(s, t, heights[1])
    half = max(0.5 * wide * view.f / z, 0.55)

    def stripe(left: float, right: float, gain: float) -> None:
        tone = stage.tone((colour[0] * gain, colour[1] * gain, colour[2] * gain), stage.light.facing, z)
        corners = [
            (high[0] + left, high[1]),
            (high[0] + right, high[1]),
            (low[0] + right, low[1]),
            (low[0] + left, low[1]),
        ]
        stage.polygon(corners, tone, label)

    stripe(-half, half, 1.0)
    if half > 1.4:
        stripe(-0.7 * half, -0.25 * half, 1.35)


@dataclass
class Lamp:
    """A street lamp whose arm reaches over the road."""

    reach_m: ClassVar[float] = 115.0
    key: Key
    s: float
    t: float
    height: float
    colour: Colour

    def draw(self, stage: Stage) -> None:
        view, s, high = stage.view, self.s, self.height
        z = s - view.s
        if z < 3.0:
            return
        draw_post(stage, s, self.t, (0.0, 1.4), 0.24, self.colour)
        draw_post(stage, s, self.t, (1.4, high), 0.15, self.colour)
        tip = self.t - math.copysign(1.5, self.t)
        thick = max(0.09, 1.1 * z / view.f)
        arm = ((self.t, high), (tip, high + 0.5), (tip, high + 0.5 - thick), (self.t, high - thick))
        head = ((tip - 0.35, high + 0.6), (tip + 0.35, high + 0.6), (tip + 0.28, high + 0.4), (tip - 0.28, high + 0.4))
        for corners, colour in ((arm, self.colour), (head, (150.0, 154.0, 156.0))):
            tone = stage.tone(colour, stage.light.facing, z)
            stage.polygon([view.point(s, t, h) for t, h in corners], tone, POLE)

    def shade(self, shadows: Shadows) -> None:
        shadows.post(self.s, self.t, self.height)


@dataclass
class Bollard:
    reach_m: ClassVar[float] = 45.0
    key: Key
    s: float
    t: float
    height: float
    colour: Colour

    def draw(self, stage: Stage) -> None:
        if self.s - stage.view.s > 2.5:
            draw_post(stage, self.s, self.t, (0.0, self.height), 0.16, self.colour)
            draw_post(stage, self.s, self.t, (self.height - 0.2, self.height - 0.1), 0.17, (200, 206, 208))

    def shade(self, shadows: Shadows) -> None:
        shadows.post(self.s, self.t, self.height)


def _draw_sign(
    stage: Stage, texture: Ripmap, foot: tuple[float, float, float], least: tuple[float, float], light: Vector
) -> None:
    """An upright plate with its lower edge at (s, t, height), at least so many pixels wide and high: what it is stays
    to be seen from afar.
    """
    s, t, height = foot
    z = s - stage.view.s
    wide, high = (side * stage.view.f / z for side in (texture.width_m, texture.height_m))
    stage.upright(texture, stage.view.point(s, t, height), (max(wide, least[0]), max(high, least[1])), light, z, SIGN)


@dataclass
class Plate:
    """A sign on a post, or (``post`` False) hanging from a house. ``height``: of the plate's lower edge."""

    reach_m: ClassVar[float] = 75.0
    key: Key
    s: float
    t: float
    height: float
    texture: Ripmap
    post: bool = True

    def draw(self, stage: Stage) -> None:
        z = self.s - stage.view.s
        if z < 3.0:
            return
        if self.post:
            draw_post(stage, self.s, self.t, (0.0, self.height + 0.5 * self.texture.height_m), 0.08, (128, 132, 134))
        _draw_sign(stage, self.texture, (self.s, self.t, self.height), (2.2, 2.2), stage.light.facing * 1.12)

    def shade(self, shadows: Shadows) -> None:
        if self.post:
            shadows.post(self.s, self.t, self.height)


@dataclass
class Signal:
    """A traffic light; it turns green before the camera arrives. ``lights``: its head when red, amber, green."""

    reach_m: ClassVar[float] = 110.0
    key: Key
    s: float
    t: float
    lights: list[Ripmap]

    def draw(self, stage: Stage) -> None:
        z = self.s - stage.view.s
        if z < 3.0:
            return
        draw_post(stage, self.s, self.t, (0.0, 2.6), 0.12, (52, 52, 54))
        texture = self.lights[0 if z > 75.0 else 1 if z > 66.0 else 2]
        _draw_sign(stage, texture, (self.s, self.t, 2.2), (2.0, 3.5), np.maximum(stage.light.facing, 0.75))

    def shade(self, shadows: Shadows) -> None:
        shadows.post(self.s, self.t, 3.3)
