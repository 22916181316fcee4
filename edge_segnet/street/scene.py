"""One frame of the street, from the sky to the nearest car."""

from __future__ import annotations

import math

import numpy as np

from edge_segnet.core.errors import UsageError
from edge_segnet.core.types import Image, Labels
from edge_segnet.street.atlas import atlas_of
from edge_segnet.street.camera import EYE_M, FAR_M, FRAMES_PER_SECOND, Course, Drive, View
from edge_segnet.street.ground import Ground
from edge_segnet.street.kerbside import Plots
from edge_segnet.street.lens import Lens
from edge_segnet.street.light import light_at
from edge_segnet.street.plots import Plot
from edge_segnet.street.shadows import Shadows
from edge_segnet.street.sky import Sky
from edge_segnet.street.stage import Stage
from edge_segnet.street.things import BACKDROP, PLOT_M, Thing
from edge_segnet.street.traffic import Traffic

_SMALLEST = 16
EYES_M = (0.2, 3.5)
_SHADOW_FAR_M = 65.0


class Street:
    """A drive without end through a street that never was, with its exact CamVid-11 ground truth.

    Frame ``index`` is what the camera sees index/30 s after the start. It depends on (seed, size, index) only: any
    frame can be rendered alone, and gives the same bytes again. One thread at a time; every Street may have its own.
    """

    def __init__(self, size: tuple[int, int] = (480, 360), seed: int = 0, eye_m: float = EYE_M) -> None:
        """``size``: (width, height) in pixels; ``seed``: which street, which day; ``eye_m``: the lens above the road.

        Raises:
            UsageError: the picture would be too small to show anything, or the lens is not above the road.
        """
        if not EYES_M[0] <= eye_m <= EYES_M[1]:
            raise UsageError(f"a lens {eye_m:g} m above the road", hint="{:g} to {:g} m".format(*EYES_M))
        if min(size) < _SMALLEST:
            raise UsageError(
                f"a street of {size[0]}x{size[1]} pixels is too small", hint=f"use at least {_SMALLEST}x{_SMALLEST}"
            )
        self.size, self.seed = size, seed
        self._course, self._drive = Course(seed), Drive.of(seed, eye_m)
        atlas = atlas_of(seed)
        self._sky, self._ground = Sky(seed, size), Ground(seed, size)
        self._plots, self._traffic = Plots(seed, atlas), Traffic(seed, atlas)
        self._lens = Lens(seed, size)
        self._stage = Stage(size)

    def render(self, index: int) -> tuple[Image, Labels]:
        """The picture uint8 [H,W,3] BGR and its labels uint8 [H,W] (CamVid-11 ids); new arrays each time."""
        view = View(self.size, self._course, self._drive, index)
        stage = self._stage
        stage.begin(view, light_at(self.seed, index / FRAMES_PER_SECOND))
        plots = self._near_plots(view)
        things = [
            thing
            for plot in plots
            for thing in plot.things
            if thing.key[1] == BACKDROP or -thing.key[2] - view.s < thing.reach_m
        ]
        things += self._traffic.things(view)
        self._floor(plots, things)
        things.sort(key=_key)
        for thing in things:
            thing.draw(stage)
        return self._lens.take(stage.canvas, index), np.ascontiguousarray(stage.canvas[..., 3])

    def _near_plots(self, view: View) -> list[Plot]:
        first, last = math.floor((view.s - 2.0) / PLOT_M), math.floor((view.s + FAR_M) / PLOT_M)
        return [self._plots.plot(number, side) for number in range(last, first - 1, -1) for side in (-1.0, 1.0)]

    def _floor(self, plots: list[Plot], things: list[Thing]) -> None:
        """The sky, the road, and the shadows of everything that stands on it."""
        stage, ground = self._stage, self._ground
        self._sky.draw(stage)
        ground.draw(stage)
        for plot in plots:
            plot.draw_floor(stage)
        shadows = Shadows(stage.view, stage.light)
        far = -(stage.view.s + _SHADOW_FAR_M)
        for thing in things:
            if thing.key[2] > far:
                thing.shade(shadows)
        ground.finish(stage, shadows)


def _key(thing: Thing) -> tuple[int, int, float]:
    return thing.key
