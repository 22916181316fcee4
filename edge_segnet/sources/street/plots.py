"""What stands where: each side of the street is a row of plots of 24 m, and a plot follows from its number alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edge_segnet.sources.street.atlas import Atlas
from edge_segnet.sources.street.dice import Dice
from edge_segnet.sources.street.ground import PAVEMENT_M, ROAD_M
from edge_segnet.sources.street.stage import BUILDING, FENCE, PAVEMENT, ROAD, TREE, Colour, Stage
from edge_segnet.sources.street.things import (
    BACKDROP,
    BORDER,
    GARDEN,
    HOUSES,
    STREET,
    Bollard,
    Building,
    Lamp,
    Panel,
    Signal,
    Thing,
    TrafficSign,
    Tree,
)
from edge_segnet.sources.street.traffic import PLOT_M, Car
from edge_segnet.sources.street.vehicles import any_vehicle

_DISTRICT_PLOTS = 5
_GRASS: Colour = (66, 118, 100)
_TARMAC: Colour = (106, 105, 104)
_WHITE: Colour = (208, 214, 216)
_POSTS: tuple[Colour, ...] = ((112, 116, 118), (64, 70, 62), (48, 48, 50), (140, 146, 148))


@dataclass(frozen=True)
class Patch:
    """A polygon on the floor: corners (s, t), colour, label."""

    s: tuple[float, ...]
    t: tuple[float, ...]
    colour: Colour
    label: int


@dataclass
class Plot:
    """One plot on one side (``side`` -1 left, 1 right), from s = ``start`` on."""

    number: int
    side: float
    start: float
    dice: Dice
    things: list[Thing] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)

    def key(self, layer: int, s: float) -> tuple[int, int, float]:
        return -self.number, layer, -s

    def patch(self, run: tuple[float, float], across: tuple[float, float], colour: Colour, label: int) -> None:
        """A rectangle on the floor; ``across``: distances from the centre line. Cut along s, so that it bends."""
        steps = np.linspace(run[0], run[1], max(2, round((run[1] - run[0]) / 6.0) + 1)).tolist()
        inner, outer = across[0] * self.side, across[1] * self.side
        self.patches.append(Patch((*steps, *steps[::-1]), (inner,) * len(steps) + (outer,) * len(steps), colour, label))


class Plots:
    """Makes plots and keeps the last few."""

    def __init__(self, seed: int, atlas: Atlas) -> None:
        self._seed = seed
        self._atlas = atlas
        self._made: dict[tuple[int, float], Plot] = {}

    def plot(self, number: int, side: float) -> Plot:
        found = self._made.get((number, side))
        if found is None:
            if len(self._made) > 64:
                self._made.clear()
            found = self._made[(number, side)] = self._make(number, side)
        return found

    def district(self, number: int, side: float) -> str:
        """'shops', 'terrace', 'villa', 'modern' or 'park'."""
        dice = Dice(self._seed, 0xD157, number // _DISTRICT_PLOTS)
        kinds = ("shops", "terrace", "shops", "villa", "modern", "terrace", "park")
        first, other = dice.pick(kinds), dice.pick(kinds)
        kind = first if side < 0.0 or dice.chance(0.55) else other
        return "villa" if kind == "park" and side > 0.0 and first == "park" else kind

    def _make(self, number: int, side: float) -> Plot:
        plot = Plot(number, side, number * PLOT_M, Dice(self._seed, 0x9107, number, int(side)))
        kind = self.district(number, side)
        junction = plot.dice.chance(0.14)
        if kind == "park":
            self._park(plot)
        else:
            self._houses(plot, kind, junction)
        if junction and kind != "park":
            self._side_street(plot)
        self._furniture(plot, kind, junction)
        self._parked(plot, kind, junction)
        if side < 0.0 and Dice(self._seed, 0x2EB, number).chance(0.1):
            self._crossing(plot)
        return plot

    def _houses(self, plot: Plot, kind: str, junction: bool) -> None:
        dice, atlas = plot.dice, self._atlas
        setback = {"shops": 0.0, "terrace": 2.2, "villa": 6.5, "modern": 1.5}[kind]
        begin = plot.start + (8.0 if junction else 0.0)
        length = plot.start + PLOT_M - begin
        base = Dice(self._seed, 0xBA5E, plot.number // 2, int(plot.side)).below(4)
        gap = 3.0 if kind == "villa" else 0.0
        s, before = begin, -1.0
        while s < begin + length - 2.0:
            front = atlas.fronts[kind][base if kind == "terrace" else dice.below(4)]
            wide = min(front.width_m, begin + length - s)
            if begin + length - s - wide < 5.0:
                wide = begin + length - s
            tint = np.array([1.0, 1.0, 1.0]) * dice.span(0.85, 1.12) + np.array(
                [dice.span(-0.06, 0.06), 0.0, dice.span(-0.05, 0.05)]
            )
            flat = kind == "modern" or (kind == "shops" and dice.chance(0.5))
            house = Building(
                plot.key(HOUSES, s),
                (s, s + wide - gap),
                plot.side * (PAVEMENT_M + setback),
                front.height_m * (1.0 if kind == "terrace" else dice.span(0.92, 1.1)),
                0.0 if flat else dice.span(2.4, 3.6),
                front,
                dice.pick(atlas.gables),
                dice.pick(atlas.roofs),
                tint,
                open_end=True,
            )
            house.open_end = before < 0.0 or abs(before - house.height) > 0.3 or gap > 0.0
            before = house.height
            plot.things.append(house)
            s += wide
        if kind in ("terrace", "villa"):
            self._gardens(plot, kind, begin, setback)
        if kind == "villa" or junction:
            texture, label, high = (atlas.woods, TREE, 9.0) if dice.chance(0.5) else (atlas.backs, BUILDING, 10.0)
            plot.things.append(
                Panel(
                    plot.key(BACKDROP, plot.start),
                    (plot.start, plot.start + PLOT_M),
                    plot.side * 27.0,
                    high,
                    texture,
                    label,
                    0.9,
                )
            )

    def _gardens(self, plot: Plot, kind: str, begin: float, setback: float) -> None:
        """What lies between the pavement and the houses, and its border."""
        dice = plot.dice
        end = plot.start + PLOT_M
        if kind == "villa":
            plot.patch((begin, end), (PAVEMENT_M, PAVEMENT_M + setback), _GRASS, TREE)
            for _ in range(1 + dice.below(3)):
                self._tree(
                    plot,
                    GARDEN,
                    dice.span(begin + 1.0, end - 1.0),
                    PAVEMENT_M + dice.span(1.5, setback - 1.0),
                    dice.span(4.0, 8.5),
                )
        style = Dice(self._seed, 0xFE2CE, plot.number // 2, int(plot.side)).unit()
        s = begin
        while s < end - 1.0:
            stop = min(end, s + dice.pick((6.0, 8.0)))
            self._border(plot, (s, stop - 1.2), style if dice.chance(0.7) else dice.unit())
            s = stop

    def _border(self, plot: Plot, run: tuple[float, float], style: float) -> None:
        atlas, t, key = self._atlas, plot.side * PAVEMENT_M, plot.key(BORDER, run[0])
        if style < 0.36:
            plot.things.append(Panel(key, run, t, 1.15, atlas.railings[0], FENCE, see_through=True))
        elif style < 0.6:
            plot.things.append(Panel(key, run, t, 1.7, atlas.boards[int(style * 100) % 2], FENCE))
        elif style < 0.78:
            plot.things.append(Panel(key, run, t, 0.9, atlas.gables[0], BUILDING))
        else:
            plot.things.append(Panel(key, run, t, 1.5, atlas.hedges[int(style * 100) % 2], TREE))

    def _park(self, plot: Plot) -> None:
        dice, atlas = plot.dice, self._atlas
        start, end = plot.start, plot.start + PLOT_M
        plot.patch((start, end), (PAVEMENT_M, 30.0), _GRASS, TREE)
        plot.things.append(
            Panel(plot.key(BACKDROP, start), (start, end), plot.side * 29.0, dice.span(8.0, 11.0), atlas.woods, TREE)
        )
        for _ in range(4):
            self._tree(plot, GARDEN, dice.span(start, end), dice.span(10.0, 24.0), dice.span(6.0, 11.0))
        plot.things.sort(key=lambda thing: thing.key)
        for first in range(0, int(PLOT_M), 8):
            plot.things.append(
                Panel(
                    plot.key(BORDER, start + first),
                    (start + first, start + first + 8.0),
                    plot.side * PAVEMENT_M,
                    1.25,
                    atlas.railings[1],
                    FENCE,
                    see_through=True,
                )
            )

    def _side_street(self, plot: Plot) -> None:
        start = plot.start
        plot.patch((start + 1.2, start + 6.8), (ROAD_M - 0.7, 27.0), _TARMAC, ROAD)
        for run in ((start + 0.2, start + 1.2), (start + 6.8, start + 7.8)):
            plot.patch(run, (PAVEMENT_M, 27.0), (150, 154, 158), PAVEMENT)
        for k in range(6):
            plot.patch((start + 1.5 + k * 0.9, start + 2.0 + k * 0.9), (ROAD_M - 0.1, ROAD_M + 0.1), _WHITE, ROAD)

    def _crossing(self, plot: Plot) -> None:
        """Zebra stripes from kerb to kerb, with zigzag's plain relatives: a stop line on each side."""
        s = plot.start + 14.0
        for k in range(-5, 5):
            left = k * 0.98 + 0.1
            plot.patches.append(Patch((s, s + 2.6, s + 2.6, s), (left, left, left + 0.5, left + 0.5), _WHITE, ROAD))
        plot.patches.append(
            Patch((s - 2.0, s - 1.75, s - 1.75, s - 2.0), (-ROAD_M + 0.6, -ROAD_M + 0.6, -0.1, -0.1), _WHITE, ROAD)
        )
        plot.patches.append(
            Patch((s + 4.4, s + 4.65, s + 4.65, s + 4.4), (0.1, 0.1, ROAD_M - 0.6, ROAD_M - 0.6), _WHITE, ROAD)
        )
        for t in (-ROAD_M - 0.5, ROAD_M + 0.5):
            plot.things.append(Signal(plot.key(STREET, s - 1.9), s - 1.9, t))

    def _furniture(self, plot: Plot, kind: str, junction: bool) -> None:
        dice, side = plot.dice, plot.side
        lamp = plot.start + (6.0 if side < 0.0 else 18.0)
        colour = Dice(self._seed, 0x1A).pick(_POSTS)
        if plot.number % 2 == (side > 0.0) or kind == "shops":
            plot.things.append(Lamp(plot.key(STREET, lamp), lamp, side * (ROAD_M + 0.45), dice.span(6.2, 7.4), colour))
        for _ in range(1 + dice.below(2)):
            self._sign(plot, dice.span(plot.start + 8.5, plot.start + PLOT_M), kind)
        if kind != "shops" and dice.chance(0.75):
            for place in (3.0, 15.0)[: 1 + dice.below(2)]:
                s = plot.start + place + (8.0 if junction and place < 8.0 else 0.0)
                self._tree(plot, STREET, s, ROAD_M + 0.9, dice.span(5.5, 9.5))
        if kind in ("shops", "modern") and dice.chance(0.5):
            first = plot.start + dice.span(8.0, 14.0)
            for k in range(3 + dice.below(4)):
                s = first + 1.6 * k
                plot.things.append(Bollard(plot.key(STREET, s), s, side * (ROAD_M + 0.35), 0.95, (40, 40, 42)))
        if kind in ("shops", "modern") and dice.chance(0.22):
            s = plot.start + 9.0
            for run in ((s, s + 6.0), (s + 6.0, s + 12.0)):
                plot.things.append(
                    Panel(
                        plot.key(STREET, run[0]),
                        run,
                        side * (ROAD_M + 0.3),
                        1.05,
                        self._atlas.railings[1],
                        FENCE,
                        see_through=True,
                    )
                )

    def _sign(self, plot: Plot, s: float, kind: str) -> None:
        dice, side = plot.dice, plot.side
        key, t = plot.key(STREET, s), side * (ROAD_M + dice.span(0.35, 0.6))
        white, black = (232, 234, 234), (40, 40, 42)
        red, blue = (44, 40, 190), (170, 90, 30)
        what = dice.unit()
        if kind == "shops" and what < 0.45:
            face = dice.pick((white, (60, 60, 150), (90, 60, 40), (60, 90, 50), (70, 190, 220)))
            plot.things.append(
                TrafficSign(
                    key,
                    s,
                    side * (PAVEMENT_M - 0.6),
                    3.3,
                    0.55,
                    "flag",
                    black,
                    face,
                    black if sum(face) > 400 else white,
                    post=False,
                )
            )
        elif what < 0.6:
            plot.things.append(
                TrafficSign(key, s, t, 2.5, 0.34, "disc", red, white if dice.chance(0.6) else blue, black)
            )
        elif what < 0.75:
            plot.things.append(TrafficSign(key, s, t, 2.5, 0.42, "triangle", red, white, black))
        elif what < 0.88:
            plot.things.append(
                TrafficSign(
                    key, s, t, 2.4, 0.36, "flag", (180, 184, 186), dice.pick((blue, (70, 190, 220), white)), white
                )
            )
        else:
            face = dice.pick(((90, 120, 30), white, (50, 110, 60)))
            plot.things.append(
                TrafficSign(
                    key, s, side * (ROAD_M + 1.0), 2.7, 0.8, "board", white, face, black if face == white else white
                )
            )

    def _tree(self, plot: Plot, layer: int, s: float, distance: float, height: float) -> None:
        dice, atlas = plot.dice, self._atlas
        bare = Dice(self._seed, 0x5EA, plot.number // 10).chance(0.3)
        texture = dice.pick(atlas.bare if bare else atlas.leafy)
        plot.things.append(
            Tree(plot.key(layer, s), s, plot.side * distance, height, texture, dice.chance(0.5), dice.span(0.85, 1.2))
        )

    def _parked(self, plot: Plot, kind: str, junction: bool) -> None:
        dice, side = plot.dice, plot.side
        density = {"shops": 0.55, "terrace": 0.7, "villa": 0.3, "modern": 0.4, "park": 0.35}[kind]
        density *= 1.5 * Dice(self._seed, 0xCA2, plot.number // 2, int(side)).unit()
        for place in range(4):
            s = plot.start + 0.4 + 6.0 * place + dice.span(0.0, 0.6)
            if dice.chance(density) and not (junction and place < 2):
                vehicle = any_vehicle(
                    dice,
                    s,
                    side * (ROAD_M - 1.0 + dice.span(-0.06, 0.06)),
                    oncoming=(side > 0.0) != dice.chance(0.12),
                    parked=True,
                )
                plot.things.append(Car(plot.key(STREET, s), vehicle))


def draw_patches(plot: Plot, stage: Stage) -> None:
    """Draw the plot's floor."""
    for patch in plot.patches:
        stage.ground(patch.s, patch.t, patch.colour, patch.label)
