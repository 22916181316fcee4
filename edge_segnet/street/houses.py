"""Houses, and what runs along the street: fences, walls, hedges, backdrops."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from edge_segnet.street.light import Vector
from edge_segnet.street.shadows import Shadows
from edge_segnet.street.stage import BUILDING, Colour, Stage
from edge_segnet.street.texture import Ripmap
from edge_segnet.street.things import BACKDROP, Key, side_light

_CHIMNEY: Colour = (88, 104, 132)


@dataclass
class Building:
    """A house from s = ``run[0]`` to ``run[1]``, its front at ``t``; ``rise``: its roof's height, 0 for a flat one."""

    reach_m: ClassVar[float] = math.inf
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
        light = stage.light
        out = math.copysign(self.depth, self.t)
        if self.open_end and self.run[0] - stage.view.s > 2.0:
            self._near_end(stage, out)
        if self.rise > 0.0:
            self._chimney(stage, out)
            self._roof(stage, out)
        gain = side_light(light, self.t) * self.tint
        stage.wall(self.front, self.run, self.t, (0.0, self.height), gain, BUILDING)

    def _roof(self, stage: Stage, out: float) -> None:
        view = stage.view
        away = abs(self.t + view.bend(max(self.run[0] - view.s, 0.0)) - view.t)
        if self.height - away * self.rise / (0.5 * self.depth) > view.eye:
            return  # The camera looks at it from below.
        heights = (self.height, self.height + self.rise)
        stage.wall(
            self.roof, self.run, self.t, heights, side_light(stage.light, self.t) * 0.95, BUILDING, lean=0.5 * out
        )

    def _near_end(self, stage: Stage, out: float) -> None:
        """The wall that faces the camera, with its gable."""
        view, start, high = stage.view, self.run[0], self.height
        gain = stage.light.facing * self.tint
        sides = (self.t, self.t + out) if out > 0.0 else (self.t + out, self.t)
        corners = [(self.t, high), (self.t + 0.5 * out, high + self.rise), (self.t + out, high)]
        if start - view.s < 80.0:
            stage.across(self.gable, start, sides, (0.0, high), gain, BUILDING)
        else:
            corners += [(self.t + out, 0.0), (self.t, 0.0)]
        if self.rise > 0.0 or len(corners) > 3:
            tone = stage.tone(self.gable.mean, gain, start - view.s)
            stage.polygon([view.point(start, t, h) for t, h in corners], tone, BUILDING)

    def _chimney(self, stage: Stage, out: float) -> None:
        view = stage.view
        s = self.run[1] - 0.7
        z = s - view.s
        if not 4.0 < z < 85.0:
            return
        low, high = self.height + 0.6 * self.rise, self.height + self.rise + 1.3
        inner = self.t + 0.5 * out - math.copysign(0.45, out)
        outer = inner + math.copysign(0.9, out)
        for (s0, t0), (s1, t1), gain in (
            ((s, inner), (s + 1.2, inner), side_light(stage.light, self.t)),
            ((s, inner), (s, outer), stage.light.facing),
        ):
            face = [
                view.point(s0, t0, high),
                view.point(s1, t1, high),
                view.point(s1, t1, low),
                view.point(s0, t0, low),
            ]
            stage.polygon(face, stage.tone(_CHIMNEY, gain, z), BUILDING)

    def shade(self, shadows: Shadows) -> None:
        light, (start, end) = shadows.light, self.run
        inward = -math.copysign(1.0, self.t)
        # Even without sun the foot of a wall is darker than the open street.
        shadows.box((start, end), (self.t, self.t + 0.5 * inward), 215)
        lean = light.lean * (self.height + 0.6 * self.rise)
        if lean * inward > 0.2 and shadows.sunny:
            along, far = light.reach * self.height, self.t + lean
            shadows.cast((start, end, end + along, start + along), (self.t, self.t, far, far), shadows.dark())


@dataclass
class Panel:
    """A fence, wall, hedge or backdrop along the street."""

    reach_m: ClassVar[float] = 95.0
    key: Key
    run: tuple[float, float]
    t: float
    height: float
    texture: Ripmap
    label: int
    gain: float = 1.0
    see_through: bool = False

    def draw(self, stage: Stage) -> None:
        gain = side_light(stage.light, self.t) * self.gain
        stage.wall(self.texture, self.run, self.t, (0.0, self.height), gain, self.label, solid=self.see_through)

    def shade(self, shadows: Shadows) -> None:
        if shadows.sunny and not self.see_through and self.key[1] != BACKDROP:
            shadows.box(self.run, (self.t, self.t + shadows.light.lean * self.height), shadows.dark())
