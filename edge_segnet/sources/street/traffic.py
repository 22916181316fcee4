"""What moves: cars, cyclists, pedestrians. Each stream is an endless row of slots that travels at one speed, and a
hash of the slot's number says who is in it: any moment can be drawn without knowing the one before."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from edge_segnet.sources.street.atlas import Atlas
from edge_segnet.sources.street.camera import FAR_M, View
from edge_segnet.sources.street.dice import Dice
from edge_segnet.sources.street.ground import Ground
from edge_segnet.sources.street.people import PHASES
from edge_segnet.sources.street.stage import BICYCLIST, PEDESTRIAN, Stage
from edge_segnet.sources.street.texture import Ripmap
from edge_segnet.sources.street.things import STREET, Key, Thing, dark, side_light
from edge_segnet.sources.street.vehicles import Vehicle, any_vehicle

PLOT_M = 24.0


def street_key(s: float) -> Key:
    """Where something that stands in the street comes in the order of drawing."""
    return -math.floor(s / PLOT_M), STREET, -s


@dataclass
class Car:
    """A vehicle as a thing of the street."""

    key: Key
    vehicle: Vehicle

    def draw(self, stage: Stage) -> None:
        self.vehicle.draw(stage)

    def shade(self, ground: Ground, stage: Stage) -> None:
        vehicle, light = self.vehicle, stage.light
        length, width, height = vehicle.mesh.size
        start, end, half = vehicle.s, vehicle.s + length, 0.5 * width
        if start - stage.view.s > 110.0:
            return
        left, right = vehicle.t - half, vehicle.t + half
        if light.shadow < 0.9:
            lean, along = light.lean * height, light.reach * height
            low, high = min(left, left + lean), max(right, right + lean)
            ground.shadow(stage, (start, end, end + along, start + along), (low, low, high, high), dark(light))
        ground.shadow(
            stage,
            (start - 0.15, end + 0.15, end + 0.15, start - 0.15),
            (left - 0.1, left - 0.1, right + 0.1, right + 0.1),
            96,
        )
        ground.shadow(
            stage,
            (start + 0.1, end - 0.1, end - 0.1, start + 0.1),
            (left + 0.08, left + 0.08, right - 0.08, right - 0.08),
            34,
        )


@dataclass
class Figure:
    """A pedestrian or cyclist."""

    key: Key
    s: float
    t: float
    height: float
    texture: Ripmap
    label: int
    flip: bool

    def draw(self, stage: Stage) -> None:
        view = stage.view
        z = self.s - view.s
        if z < 2.0:
            return
        scale = view.f / z
        wide = self.height * self.texture.width_m / self.texture.height_m
        light = 0.6 * stage.light.facing + 0.4 * side_light(stage.light, self.t)
        stage.upright(
            self.texture,
            view.point(self.s, self.t, 0.0),
            (wide * scale, self.height * scale),
            light,
            z,
            self.label,
            self.flip,
        )

    def shade(self, ground: Ground, stage: Stage) -> None:
        if self.s - stage.view.s > 60.0:
            return
        light = stage.light
        ground.shadow(
            stage,
            (self.s - 0.3, self.s + 0.35, self.s + 0.35, self.s - 0.3),
            (self.t - 0.25, self.t - 0.25, self.t + 0.25, self.t + 0.25),
            130,
        )
        if light.shadow < 0.9:
            along, lean = light.reach * self.height, light.lean * self.height
            ground.shadow(
                stage,
                (self.s - 0.2, self.s + 0.2, self.s + along + 0.15, self.s + along - 0.15),
                (self.t, self.t, self.t + lean, self.t + lean),
                dark(light),
            )


@dataclass(frozen=True)
class _Stream:
    """Slots ``spacing_m`` apart that move at ``speed_m_s`` (negative: towards the camera)."""

    number: int
    spacing_m: float
    speed_m_s: float
    filled: float

    def slots(self, seed: int, view: View, behind_m: float, ahead_m: float) -> Iterator[tuple[Dice, float]]:
        moved = self.speed_m_s * view.time_s
        first = math.floor((view.s - behind_m - moved) / self.spacing_m)
        last = math.floor((view.s + ahead_m - moved) / self.spacing_m)
        for slot in range(first, last + 1):
            dice = Dice(seed, 0x7AF, self.number, slot)
            if dice.chance(self.filled):
                yield dice, slot * self.spacing_m + moved + dice.span(0.0, 0.6 * self.spacing_m)


class Traffic:
    """Everything that moves in one street."""

    def __init__(self, seed: int, atlas: Atlas) -> None:
        self._seed = seed
        self._atlas = atlas
        dice = Dice(seed, 0x7AF)
        self._lead_phase = dice.span(0.0, 6.28)
        self._oncoming = _Stream(1, 34.0, -8.5, 0.5)
        self._riders = _Stream(2, 42.0, 4.6, 0.55)
        self._oncoming_riders = _Stream(3, 60.0, -4.4, 0.35)
        self._walkers = (
            (_Stream(4, 11.0, 1.25, 0.5), -1.0),
            (_Stream(5, 12.0, -1.3, 0.5), -1.0),
            (_Stream(6, 13.0, 0.0, 0.3), -1.0),
            (_Stream(7, 11.0, 1.3, 0.5), 1.0),
            (_Stream(8, 12.0, -1.2, 0.5), 1.0),
            (_Stream(9, 13.0, 0.0, 0.3), 1.0),
        )

    def things(self, view: View) -> list[Thing]:
        """All that is near enough to be seen."""
        found: list[Thing] = [self._lead(view)]
        for dice, s in self._oncoming.slots(self._seed, view, 12.0, FAR_M):
            vehicle = any_vehicle(dice, s, 1.75 + dice.span(-0.15, 0.15), oncoming=True)
            found.append(Car(street_key(s), vehicle))
        for stream, oncoming in ((self._riders, False), (self._oncoming_riders, True)):
            for dice, s in stream.slots(self._seed, view, 0.0, 90.0):
                found.append(self._rider(dice, s, view, oncoming))
        for stream, side in self._walkers:
            for dice, s in stream.slots(self._seed, view, 0.0, 75.0):
                found.append(self._walker(dice, s, view, side, stream.speed_m_s))
        return found

    def _lead(self, view: View) -> Thing:
        """The car ahead: its distance swings slowly; it becomes another one while it is out of sight."""
        turn = view.time_s / 46.0 + self._lead_phase
        wave = math.sin(math.pi * turn) ** 2
        gap = 95.0 - 83.0 * wave if turn % 2.0 < 1.0 else 95.0 + 120.0 * wave
        dice = Dice(self._seed, 0x1EAD, math.floor(turn / 2.0 + 0.25))
        vehicle = any_vehicle(dice, view.s + gap, -1.75, oncoming=False)
        braking = math.sin(1.1 * view.time_s) > 0.6
        s = view.s + gap
        return Car(street_key(s), Vehicle(s, vehicle.t, vehicle.mesh, vehicle.paint, oncoming=False, braking=braking))

    def _rider(self, dice: Dice, s: float, view: View, oncoming: bool) -> Thing:
        figures = dice.pick(self._atlas.oncoming_riders if oncoming else self._atlas.riders)
        phase = int(view.time_s * 1.1 * PHASES + dice.span(0.0, PHASES)) % PHASES
        t = 2.85 if oncoming else -2.72 + 0.06 * math.sin(2.0 * view.time_s + dice.span(0.0, 6.0))
        return Figure(street_key(s), s, t, dice.span(1.72, 1.9), figures[phase], BICYCLIST, flip=False)

    def _walker(self, dice: Dice, s: float, view: View, side: float, speed: float) -> Thing:
        figures = dice.pick(self._atlas.walkers)
        pace = 0.95 * PHASES if speed else 0.0
        phase = int(view.time_s * pace + dice.span(0.0, PHASES)) % PHASES if speed else 0
        t = side * dice.span(5.5, 7.5)
        return Figure(street_key(s), s, t, dice.span(1.58, 1.86), figures[phase], PEDESTRIAN, flip=dice.chance(0.5))
