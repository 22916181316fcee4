"""What stands where: each side of the street is a row of plots of 24 m, and a plot follows from its number alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edge_segnet.street.atlas import Atlas
from edge_segnet.street.dice import Dice
from edge_segnet.street.furniture import Tree
from edge_segnet.street.ground import PAVEMENT_M, ROAD_M
from edge_segnet.street.houses import Building, Panel
from edge_segnet.street.stage import BUILDING, FENCE, PAVEMENT, ROAD, TREE, Colour, Stage
from edge_segnet.street.things import BACKDROP, BORDER, GARDEN, HOUSES, PLOT_M, Key, Thing

GRASS: Colour = (66, 118, 100)
TARMAC: Colour = (118, 117, 116)
WHITE: Colour = (208, 214, 216)
_PATCH_FAR_M = 110.0
_SETBACK_M = {"shops": 0.0, "terrace": 2.2, "villa": 6.5, "modern": 1.5}


@dataclass(frozen=True)
class Patch:
    """A polygon on the floor: corners (s, t), colour, label."""

    s: tuple[float, ...]
    t: tuple[float, ...]
    colour: Colour
    label: int


@dataclass
class Plot:
    """One plot on one side (``side`` -1 left, 1 right), of a kind: 'shops', 'terrace', 'villa', 'modern' or 'park'.

    A plot with a ``junction`` has a side street in its first 8 m.
    """

    seed: int
    number: int
    side: float
    kind: str
    junction: bool
    dice: Dice
    things: list[Thing] = field(default_factory=list)
    patches: list[Patch] = field(default_factory=list)

    @property
    def start(self) -> float:
        return self.number * PLOT_M

    @property
    def end(self) -> float:
        return (self.number + 1) * PLOT_M

    def key(self, layer: int, s: float) -> Key:
        return -self.number, layer, -s

    def shared(self, salt: int, plots: int) -> Dice:
        """Dice that fall the same for ``plots`` neighbours on this side."""
        return Dice(self.seed, salt, self.number // plots, int(self.side))

    def patch(self, run: tuple[float, float], across: tuple[float, float], colour: Colour, label: int) -> None:
        """A rectangle on the floor; ``across``: distances from the centre line. Cut along s, so that it bends."""
        steps = np.linspace(run[0], run[1], max(2, round((run[1] - run[0]) / 6.0) + 1)).tolist()
        inner, outer = across[0] * self.side, across[1] * self.side
        around = (inner,) * len(steps) + (outer,) * len(steps)
        self.patches.append(Patch((*steps, *steps[::-1]), around, colour, label))

    def draw_floor(self, stage: Stage) -> None:
        for patch in self.patches:
            if patch.s[0] - stage.view.s > _PATCH_FAR_M:
                continue
            stage.ground(patch.s, patch.t, patch.colour, patch.label)


def build(plot: Plot, atlas: Atlas) -> None:
    """Put houses, gardens or a park on the plot."""
    if plot.kind == "park":
        _park(plot, atlas)
        return
    _houses(plot, atlas)
    if plot.kind in ("terrace", "villa"):
        _gardens(plot, atlas)
    if plot.kind == "villa" or plot.junction:
        texture, label, high = (atlas.woods, TREE, 9.0) if plot.dice.chance(0.5) else (atlas.backs, BUILDING, 10.0)
        run = (plot.start, plot.end)
        plot.things.append(Panel(plot.key(BACKDROP, plot.start), run, plot.side * 27.0, high, texture, label, 0.9))
    if plot.junction:
        _side_street(plot)


def _first_free(plot: Plot) -> float:
    return plot.start + (8.0 if plot.junction else 0.0)


def _houses(plot: Plot, atlas: Atlas) -> None:
    dice, kind = plot.dice, plot.kind
    row = plot.shared(0xBA5E, 2).below(4)
    gap = 3.0 if kind == "villa" else 0.0
    s, before = _first_free(plot), -1.0
    while s < plot.end - 2.0:
        front = atlas.fronts[kind][row if kind == "terrace" else dice.below(4)]
        wide = min(front.width_m, plot.end - s)
        if plot.end - s - wide < 5.0:
            wide = plot.end - s
        height = front.height_m * (1.0 if kind == "terrace" else dice.span(1.0, 1.22))
        flat = kind == "modern" or (kind == "shops" and dice.chance(0.5))
        bright = dice.span(0.85, 1.12)
        house = Building(
            plot.key(HOUSES, s),
            run=(s, s + wide - gap),
            t=plot.side * (PAVEMENT_M + _SETBACK_M[kind]),
            height=height,
            rise=0.0 if flat else dice.span(3.0, 4.4),
            front=front,
            gable=dice.pick(atlas.gables),
            roof=dice.pick(atlas.roofs),
            tint=np.array([bright + dice.span(-0.06, 0.06), bright, bright + dice.span(-0.05, 0.05)]),
            open_end=before < 0.0 or abs(before - height) > 0.3 or gap > 0.0,
        )
        before = height
        plot.things.append(house)
        s += wide


def _gardens(plot: Plot, atlas: Atlas) -> None:
    """What lies between the pavement and the houses, and its border."""
    dice, begin = plot.dice, _first_free(plot)
    setback = _SETBACK_M[plot.kind]
    if plot.kind == "villa":
        plot.patch((begin, plot.end), (PAVEMENT_M, PAVEMENT_M + setback), GRASS, TREE)
        for _ in range(1 + dice.below(3)):
            place = dice.span(begin + 1.0, plot.end - 1.0), PAVEMENT_M + dice.span(1.5, setback - 1.0)
            add_tree(plot, atlas, GARDEN, place, dice.span(4.0, 8.5))
    style = plot.shared(0xFE2CE, 2).unit()
    s = begin
    while s < plot.end - 1.0:
        stop = min(plot.end, s + dice.pick((6.0, 8.0)))
        _border(plot, atlas, (s, stop - 1.2), style if dice.chance(0.7) else dice.unit())
        s = stop


def _border(plot: Plot, atlas: Atlas, run: tuple[float, float], style: float) -> None:
    t, key, other = plot.side * PAVEMENT_M, plot.key(BORDER, run[0]), int(style * 100) % 2
    if style < 0.3:
        plot.things.append(Panel(key, run, t, 1.15, atlas.railings[0], FENCE, see_through=True))
    elif style < 0.5:
        plot.things.append(Panel(key, run, t, 1.7, atlas.boards[other], FENCE))
    elif style < 0.74:
        plot.things.append(Panel(key, run, t, 0.9, atlas.gables[other], BUILDING))
    else:
        plot.things.append(Panel(key, run, t, 1.5, atlas.hedges[other], TREE))


def _park(plot: Plot, atlas: Atlas) -> None:
    dice, run = plot.dice, (plot.start, plot.end)
    plot.patch(run, (PAVEMENT_M, 30.0), GRASS, TREE)
    high = dice.span(8.0, 11.0)
    plot.things.append(Panel(plot.key(BACKDROP, plot.start), run, plot.side * 29.0, high, atlas.woods, TREE))
    for _ in range(4):
        add_tree(plot, atlas, GARDEN, (dice.span(*run), dice.span(10.0, 24.0)), dice.span(6.0, 11.0))
    for k in range(3):
        piece = (plot.start + 8.0 * k, plot.start + 8.0 * k + 8.0)
        fence = Panel(
            plot.key(BORDER, piece[0]), piece, plot.side * PAVEMENT_M, 1.25, atlas.railings[1], FENCE, see_through=True
        )
        plot.things.append(fence)


def _side_street(plot: Plot) -> None:
    start = plot.start
    plot.patch((start + 1.2, start + 6.8), (ROAD_M - 0.7, 27.0), TARMAC, ROAD)
    for run in ((start + 0.2, start + 1.2), (start + 6.8, start + 7.8)):
        plot.patch(run, (PAVEMENT_M, 27.0), (158, 162, 165), PAVEMENT)
    for k in range(6):
        plot.patch((start + 1.5 + k * 0.9, start + 2.0 + k * 0.9), (ROAD_M - 0.1, ROAD_M + 0.1), WHITE, ROAD)


def add_tree(plot: Plot, atlas: Atlas, layer: int, place: tuple[float, float], height: float) -> None:
    """A tree at ``place``: s, and distance from the centre line. Whole neighbourhoods are in leaf, or bare."""
    dice = plot.dice
    bare = Dice(plot.seed, 0x5EA, plot.number // 10).chance(0.35)
    texture = dice.pick(atlas.bare if bare else atlas.leafy)
    s, t = place[0], plot.side * place[1]
    plot.things.append(Tree(plot.key(layer, s), s, t, height, texture, dice.chance(0.5), dice.span(0.85, 1.2)))
