"""What moves: cars, cyclists, pedestrians. Each stream is an endless row of slots that travels at one speed, and a
hash of the slot's number says who is in it: any moment can be drawn without knowing the one before."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, TypeVar

from edge_segnet.street.atlas import Atlas
from edge_segnet.street.camera import FAR_M, View
from edge_segnet.street.dice import Dice
from edge_segnet.street.people import PHASES
from edge_segnet.street.shadows import Shadows
from edge_segnet.street.stage import BICYCLIST, PEDESTRIAN, Stage
from edge_segnet.street.texture import Ripmap
from edge_segnet.street.things import Key, Thing, side_light, street_key
from edge_segnet.street.vehicles import any_vehicle

T = TypeVar("T")


@dataclass
class Figure:
    """A pedestrian or cyclist."""

    reach_m: ClassVar[float] = 80.0
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
        high = self.height * view.f / z
        size = (high * self.texture.width_m / self.texture.height_m, high)
        light = 0.6 * stage.light.facing + 0.4 * side_light(stage.light, self.t)
        stage.upright(self.texture, view.point(self.s, self.t, 0.0), size, light, z, self.label, self.flip)

    def shade(self, shadows: Shadows) -> None:
        s, t = self.s, self.t
        shadows.box((s - 0.3, s + 0.35), (t - 0.25, t + 0.25), 130)
        if shadows.sunny:
            along, lean = shadows.light.reach * self.height, shadows.light.lean * self.height
            tip = s + along
            shadows.cast((s - 0.2, s + 0.2, tip + 0.15, tip - 0.15), (t, t, t + lean, t + lean), shadows.dark())


@lru_cache(maxsize=1024)
def _slot(seed: int, stream: int, slot: int) -> tuple[float, ...]:
    """Eight numbers in [0, 1) that say who is in a slot; kept, because a slot is asked for in many frames."""
    dice = Dice(seed, 0x7AF, stream, slot)
    return tuple(dice.unit() for _ in range(8))


@dataclass(frozen=True)
class _Stream:
    """Slots ``spacing_m`` apart that move at ``speed_m_s`` (negative: towards the camera)."""

    number: int
    spacing_m: float
    speed_m_s: float
    filled: float

    def slots(self, seed: int, view: View, ahead_m: float) -> Iterator[tuple[tuple[float, ...], float]]:
        """Who is there, as numbers of ``_slot``, and at which s."""
        moved = self.speed_m_s * view.time_s
        first = math.floor((view.s - 12.0 - moved) / self.spacing_m) - 1
        last = math.floor((view.s + ahead_m - moved) / self.spacing_m)
        for slot in range(first, last + 1):
            traits = _slot(seed, self.number, slot)
            s = (slot + 0.6 * traits[1]) * self.spacing_m + moved
            if traits[0] < self.filled and s - view.s < ahead_m:
                yield traits, s


def _choose(options: Sequence[T], share: float) -> T:
    return options[int(share * len(options))]


_ONCOMING = _Stream(1, 34.0, -8.5, 0.5)
_RIDERS = _Stream(2, 26.0, 4.6, 0.55)
_ONCOMING_RIDERS = _Stream(3, 44.0, -4.4, 0.45)
_WALKERS = (
    (_Stream(4, 10.0, 1.25, 0.5), -1.0),
    (_Stream(5, 11.0, -1.3, 0.5), -1.0),
    (_Stream(6, 13.0, 0.0, 0.3), -1.0),
    (_Stream(7, 10.0, 1.3, 0.5), 1.0),
    (_Stream(8, 11.0, -1.2, 0.5), 1.0),
    (_Stream(9, 13.0, 0.0, 0.3), 1.0),
)


class Traffic:
    """Everything that moves in one street."""

    def __init__(self, seed: int, atlas: Atlas) -> None:
        self._seed = seed
        self._atlas = atlas
        self._lead_phase = Dice(seed, 0x7AF).span(0.0, 2.0)

    def things(self, view: View) -> list[Thing]:
        """All that is near enough to be seen."""
        found: list[Thing] = []
        self._lead(view, found)
        for traits, s in _ONCOMING.slots(self._seed, view, FAR_M):
            dice = Dice(self._seed, int(traits[2] * 2.0**32))
            found.append(any_vehicle(dice, s, 1.8 + dice.span(-0.15, 0.15), oncoming=True))
        for stream, oncoming in ((_RIDERS, False), (_ONCOMING_RIDERS, True)):
            for traits, s in stream.slots(self._seed, view, Figure.reach_m):
                found.append(self._rider(traits, s, view, oncoming))
        for stream, side in _WALKERS:
            for traits, s in stream.slots(self._seed, view, 65.0):
                found.append(self._walker(traits, s, view, side, stream.speed_m_s))
        return found

    def _lead(self, view: View, found: list[Thing]) -> None:
        """The car ahead: its distance swings slowly; it becomes another one while it is out of sight."""
        turn = view.time_s / 46.0 + self._lead_phase
        wave = math.sin(math.pi * turn) ** 2
        gap = 95.0 - 83.0 * wave if turn % 2.0 < 1.0 else 95.0 + 130.0 * wave
        if gap > FAR_M:
            return
        dice = Dice(self._seed, 0x1EAD, math.floor(turn / 2.0 + 0.25))
        vehicle = any_vehicle(dice, view.s + gap, -1.65, oncoming=False)
        vehicle.braking = math.sin(1.1 * view.time_s) > 0.6
        found.append(vehicle)

    def _rider(self, traits: tuple[float, ...], s: float, view: View, oncoming: bool) -> Thing:
        figures = _choose(self._atlas.oncoming_riders if oncoming else self._atlas.riders, traits[2])
        phase = int((view.time_s * 1.1 + traits[3]) * PHASES) % PHASES
        t = 2.85 if oncoming else -2.62 + 0.06 * math.sin(2.0 * view.time_s + 6.0 * traits[4])
        return Figure(street_key(s), s, t, 1.72 + 0.18 * traits[5], figures[phase], BICYCLIST, flip=False)

    def _walker(self, traits: tuple[float, ...], s: float, view: View, side: float, speed: float) -> Thing:
        figures = _choose(self._atlas.walkers, traits[2])
        phase = int((view.time_s * 0.95 + traits[3]) * PHASES) % PHASES if speed else 0
        t = side * (5.2 + 2.6 * traits[4])
        return Figure(street_key(s), s, t, 1.58 + 0.28 * traits[5], figures[phase], PEDESTRIAN, flip=traits[6] < 0.5)
