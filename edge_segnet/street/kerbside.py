"""What stands at the kerb: lamps, signs, bollards, trees, parked cars, crossings. And the row of plots itself."""

from __future__ import annotations

from edge_segnet.street.atlas import Atlas
from edge_segnet.street.dice import Dice
from edge_segnet.street.furniture import Bollard, Lamp, Plate, Signal
from edge_segnet.street.ground import PAVEMENT_M, ROAD_M
from edge_segnet.street.houses import Panel
from edge_segnet.street.plots import WHITE, Patch, Plot, add_tree, build
from edge_segnet.street.stage import FENCE, ROAD, Colour
from edge_segnet.street.things import STREET
from edge_segnet.street.vehicles import any_vehicle

_DISTRICT_PLOTS = 5
_KINDS = ("shops", "terrace", "shops", "villa", "modern", "terrace", "park", "modern")
_PARKED = {"shops": 0.36, "terrace": 0.42, "villa": 0.18, "modern": 0.24, "park": 0.2}
_POSTS: tuple[Colour, ...] = ((112, 116, 118), (64, 70, 62), (48, 48, 50), (140, 146, 148))


class Plots:
    """Makes plots when they come into sight, and keeps the last few."""

    def __init__(self, seed: int, atlas: Atlas) -> None:
        self._seed = seed
        self._atlas = atlas
        self._made: dict[tuple[int, float], Plot] = {}

    def plot(self, number: int, side: float) -> Plot:
        """Plot ``number`` on ``side`` (-1 left, 1 right)."""
        found = self._made.get((number, side))
        if found is None:
            while len(self._made) >= 64:
                del self._made[next(iter(self._made))]
            found = self._made[(number, side)] = self._make(number, side)
        return found

    def _kind(self, number: int, side: float) -> str:
        """Both sides of a district are often, not always, of one kind; a park has houses opposite."""
        dice = Dice(self._seed, 0xD157, number // _DISTRICT_PLOTS)
        first, other, alike = dice.pick(_KINDS), dice.pick(_KINDS), dice.chance(0.55)
        kind = first if side < 0.0 or alike else other
        return "villa" if side > 0.0 and kind == first == "park" else kind

    def _make(self, number: int, side: float) -> Plot:
        dice = Dice(self._seed, 0x9107, number, int(side))
        kind = self._kind(number, side)
        plot = Plot(self._seed, number, side, kind, kind != "park" and dice.chance(0.15), dice)
        build(plot, self._atlas)
        _furnish(plot, self._atlas)
        _park_cars(plot)
        if side < 0.0 and Dice(self._seed, 0x2EB, number).chance(0.1):
            _crossing(plot, self._atlas)
        return plot


def _furnish(plot: Plot, atlas: Atlas) -> None:
    dice, side, start = plot.dice, plot.side, plot.start
    lamp = start + (9.0 if side < 0.0 else 19.0)
    if plot.number % 2 == (side > 0.0) or plot.kind == "shops":
        colour = Dice(plot.seed, 0x1A).pick(_POSTS)
        plot.things.append(Lamp(plot.key(STREET, lamp), lamp, side * (ROAD_M + 0.45), dice.span(6.2, 7.4), colour))
    for slot in range(1 + dice.below(3)):
        _sign(plot, atlas, start + 8.5 + 5.4 * slot + dice.span(0.0, 4.0))
    if plot.kind != "shops" and dice.chance(0.75):
        for place in (3.0, 15.0)[: 1 + dice.below(2)]:
            s = start + place + (8.0 if plot.junction and place < 8.0 else 0.0)
            add_tree(plot, atlas, STREET, (s, ROAD_M + 1.1), dice.span(5.5, 9.5))
    if plot.kind in ("shops", "modern"):
        if dice.chance(0.5):
            first = start + dice.span(8.0, 14.0)
            for s in (first + 1.6 * k for k in range(3 + dice.below(4))):
                plot.things.append(Bollard(plot.key(STREET, s), s, side * (ROAD_M + 0.35), 0.95, (40, 40, 42)))
        if dice.chance(0.4):
            for s in (start + 9.0, start + 15.0):
                key, t = plot.key(STREET, s), side * (ROAD_M + 0.3)
                plot.things.append(Panel(key, (s, s + 6.0), t, 1.05, atlas.railings[1], FENCE, see_through=True))


def _sign(plot: Plot, atlas: Atlas, s: float) -> None:
    dice, side, key, what = plot.dice, plot.side, plot.key(STREET, s), plot.dice.unit()
    if plot.kind == "shops" and what < 0.5:
        plot.things.append(Plate(key, s, side * (PAVEMENT_M - 0.5), 2.7, dice.pick(atlas.shop_signs), post=False))
    elif what < 0.96:
        t = side * (ROAD_M + dice.span(0.35, 0.6))
        plot.things.append(Plate(key, s, t, dice.span(2.0, 2.5), dice.pick(atlas.traffic_signs)))
    else:
        plot.things.append(Plate(key, s, side * (ROAD_M + 1.3), 2.3, dice.pick(atlas.direction_boards)))


def _park_cars(plot: Plot) -> None:
    dice, side = plot.dice, plot.side
    # Some stretches are full, others empty.
    density = _PARKED[plot.kind] * 1.8 * plot.shared(0xCA2, 2).unit()
    for place in range(4):
        s = plot.start + 0.4 + 6.0 * place + dice.span(0.0, 0.6)
        if dice.chance(density) and not (plot.junction and place < 2):
            t = side * (ROAD_M - 0.98 + dice.span(-0.06, 0.06))
            plot.things.append(any_vehicle(dice, s, t, oncoming=(side > 0.0) != dice.chance(0.12), parked=True))


def _crossing(plot: Plot, atlas: Atlas) -> None:
    """Zebra stripes from kerb to kerb, a stop line and a traffic light on each side."""
    s = plot.start + 14.0
    stripes = [(s, s + 2.6, 0.94 * k + 0.2, 0.94 * k + 0.7) for k in range(-5, 5)]
    stops = [(s - 2.0, s - 1.75, 0.6 - ROAD_M, -0.1), (s + 4.4, s + 4.65, 0.1, ROAD_M - 0.6)]
    for near, far, left, right in stripes + stops:
        plot.patches.append(Patch((near, far, far, near), (left, left, right, right), WHITE, ROAD))
    for t in (-ROAD_M - 0.5, ROAD_M + 0.5):
        plot.things.append(Signal(plot.key(STREET, s - 1.9), s - 1.9, t, atlas.signals))
