"""A contact sheet: rows of small pictures with a line of words above each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from edge_segnet.core.types import Image
from edge_segnet.pictures.shape import fit_image, nearest
from edge_segnet.pictures.text import plain, width_of, write

TILE: Final = 240
"""Pixels of a tile's width."""
_GAP: Final = 8
_ROW: Final = 22
_BACK: Final = 28
_TEXT: Final = (235, 235, 235)
_SCALE: Final = 0.42


def tile(image: Image, exact: bool = False) -> Image:
    """A picture at a tile's width; ``exact``: every pixel one that was there, as colours of labels need it."""
    size = (TILE, max(1, round(TILE * image.shape[0] / image.shape[1])))
    return nearest(image, size) if exact else fit_image(image, size)


def contact_sheet(rows: Sequence[tuple[str, Sequence[Image]]], heading: str = "") -> Image:
    """uint8 [h,w,3]; every row's words and its pictures (``tile``), and a line above all. Nothing is an empty sheet."""
    columns = max((len(tiles) for _, tiles in rows), default=1)
    width = columns * (TILE + _GAP) + _GAP
    parts = [_line(heading, width)] if heading else []
    for words, tiles in rows:
        parts.append(_line(words, width))
        height = max(each.shape[0] for each in tiles)
        strip = np.full((height + _GAP, width, 3), _BACK, np.uint8)
        for place, each in enumerate(tiles):
            left = _GAP + place * (TILE + _GAP)
            strip[: each.shape[0], left : left + TILE] = each
        parts.append(strip)
    return np.concatenate(parts or [_line("", width)])


def _line(words: str, width: int) -> Image:
    line = np.full((_ROW + _GAP, width, 3), _BACK, np.uint8)
    words = plain(words)
    while words and width_of(words, _SCALE) > width - 2 * _GAP:
        words = words[:-1]
    write(line, words, (_GAP, _ROW), _SCALE, _TEXT)
    return line
