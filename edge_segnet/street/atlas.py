"""All textures of one street, made once from its seed."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Final

import numpy as np

from edge_segnet.street import people, signs, surfaces
from edge_segnet.street.dice import Dice
from edge_segnet.street.facades import draw_front, plan_front
from edge_segnet.street.texture import Ripmap

_making: Final = threading.Lock()
"""Who asks for a street that is being made waits for it."""
KINDS = ("shops", "terrace", "villa", "modern")


def _row(texture: Ripmap, count: int) -> Ripmap:
    """``count`` copies side by side."""
    return Ripmap(np.tile(texture.base, (1, count, 1)), count * texture.width_m, texture.height_m)


class Atlas:
    """Named lists of textures; the same seed gives the same pixels."""

    def __init__(self, seed: int) -> None:
        def dice(number: int) -> Dice:
            return Dice(seed, 0xA71A5, number)

        self.fronts: dict[str, list[Ripmap]] = {}
        for row, kind in enumerate(KINDS):
            rolls = [dice(100 + 16 * row + column) for column in range(4)]
            self.fronts[kind] = [draw_front(plan_front(kind, roll), roll) for roll in rolls]
        bricks: tuple[surfaces.Bgr, ...] = ((84, 100, 142), (112, 146, 172), (160, 176, 188))
        self.gables = [surfaces.brick_wall(dice(200 + k), colour) for k, colour in enumerate(bricks)]
        tiles: tuple[surfaces.Bgr, ...] = ((92, 84, 80), (66, 78, 112), (104, 98, 92))
        self.roofs = [surfaces.roof(dice(210 + k), colour) for k, colour in enumerate(tiles)]
        self.railings = [_row(surfaces.railing(dice(220 + k)), 4) for k in range(2)]
        self.boards = [_row(surfaces.boards(dice(224 + k)), 4) for k in range(2)]
        self.hedges = [_row(surfaces.hedge(dice(230 + k)), 2) for k in range(2)]
        self.leafy = [surfaces.leafy_tree(dice(240 + k)) for k in range(5)]
        self.bare = [surfaces.bare_tree(dice(250 + k)) for k in range(3)]
        self.woods = surfaces.backdrop_trees(dice(260))
        self.backs = surfaces.backdrop_houses(dice(261))
        self.traffic_signs = signs.traffic_signs(dice(262))
        self.shop_signs = signs.shop_signs(dice(263))
        self.direction_boards = signs.direction_boards(dice(264))
        self.signals = [signs.signal(lit) for lit in range(3)]
        self.walkers = [people.walker(dice(270 + k)) for k in range(7)]
        self.riders = [people.cyclist(dice(280 + k), oncoming=False) for k in range(3)]
        self.oncoming_riders = [people.cyclist(dice(290 + k), oncoming=True) for k in range(2)]


def atlas_of(seed: int) -> Atlas:
    """That street's; the last two are kept, and shared: nobody changes a texture, and its halvings are the same whoever
    makes them."""
    with _making:
        return _atlas(seed)


_atlas = lru_cache(maxsize=2)(Atlas)
