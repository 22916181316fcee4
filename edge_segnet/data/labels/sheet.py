"""The contact sheet: label images as they are stored (black), stretched to be seen, and in their classes' colours."""

from __future__ import annotations

import colorsys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.types import Image
from edge_segnet.data.labels.survey import Facts
from edge_segnet.data.masks import Colour, Mask, colours_to_ids, read_mask
from edge_segnet.pictures.shape import nearest
from edge_segnet.pictures.text import fill, frame, write

GOLDEN: Final = 0.381966
"""Of the colour wheel: steps by the golden angle, (3 - sqrt(5)) / 2, keep neighbours far apart."""
TILES: Final = 12
"""Label images on a sheet, taken evenly from all."""
_WIDTH: Final = 220
_GAP: Final = 8
_ROW: Final = 22
_BACK: Final = 28
_TEXT: Final = (235, 235, 235)
_COLUMNS: Final = ("stretched", "classes")
SHOWN: Final = 16
"""Rows of the legend that there is always room for."""


@dataclass(frozen=True, eq=False)
class Key:
    """What the sheet's colours mean. ``counts``: pixels of each value, int64 [256]; ``lut``: uint8 [256,3] BGR;
    ``colours``: the values' colours, by which colour masks are read.
    """

    counts: NDArray[np.int64]
    lut: NDArray[np.uint8]
    names: Mapping[int, str]
    colours: Sequence[Colour]

    @property
    def values(self) -> list[int]:
        return [int(value) for value in np.flatnonzero(self.counts)]

    @property
    def top(self) -> int:
        """The largest value, which is shown in white."""
        return max(self.values, default=1) or 1


def key_for(facts: Sequence[Facts], classes: ClassMap | None) -> Key:
    """By the class map; without one by the files' own palette or colours; ids alone get colours that differ."""
    counts = np.sum([one.counts for one in facts], axis=0)
    values = [int(value) for value in np.flatnonzero(counts)]
    lut = np.full((256, 3), 255, np.uint8)  # what is no class is white
    if classes is not None:
        lut[: len(classes) + 1] = [colour[::-1] for colour in (*classes.colours, classes.void_colour)]
        names = {value: value_name(value, classes) for value in values}
        return Key(counts, lut, names, [*classes.colours, classes.void_colour])
    colours: Counter[Colour] = Counter()
    for one in facts:
        colours.update(one.colours)
    if colours:
        ranked = colours.most_common(255)
        counts = np.zeros(256, np.int64)
        for value, (colour, count) in enumerate(ranked):
            counts[value], lut[value] = count, colour[::-1]
        names = {value: ",".join(map(str, colour)) for value, (colour, _) in enumerate(ranked)}
        return Key(counts, lut, names, [colour for colour, _ in ranked])
    palette = next((one.palette for one in facts if one.palette is not None), None)
    if palette is not None:
        lut[: len(palette)] = palette[:, ::-1]
        return Key(counts, lut, {value: ",".join(map(str, lut[value][::-1])) for value in values}, [])
    for place, value in enumerate(values):
        rgb = colorsys.hsv_to_rgb(place * GOLDEN % 1.0, 0.78, 1.0 - 0.35 * (place % 2))
        lut[value] = [round(255 * part) for part in reversed(rgb)]
    return Key(counts, lut, dict.fromkeys(values, ""), [])


def contact_sheet(paths: Sequence[Path], key: Key) -> Image:
    """A picture of up to twelve of the label images, and a legend; raises InputError for one that can't be read."""
    chosen = [paths[int(place)] for place in np.linspace(0, len(paths) - 1, min(TILES, len(paths))).round()]
    rows = [_tiles(read_mask(path), path, key) for path in chosen]
    if len(rows) > 1 and len(rows) % 2:
        rows.append(np.full_like(rows[-1], _BACK))
    pairs = [np.concatenate(rows[index : index + 2], axis=1) for index in range(0, len(rows), 2)]
    width, height = max(row.shape[1] for row in pairs), sum(row.shape[0] for row in pairs)
    legend = _legend(key, max(height // _ROW, SHOWN))
    sheet = np.full((max(height, legend.shape[0]) + _GAP, width + legend.shape[1] + 2 * _GAP, 3), _BACK, np.uint8)
    at = _GAP
    for row in pairs:
        sheet[at : at + row.shape[0], _GAP : _GAP + row.shape[1]] = row
        at += row.shape[0]
    sheet[_GAP : _GAP + legend.shape[0], width + 2 * _GAP :] = legend[: sheet.shape[0] - _GAP]
    return sheet


def _tiles(mask: Mask, path: Path, key: Key) -> Image:
    """One label image three times, side by side, with its name above."""
    ids, stored = mask.pixels, mask.pixels
    if mask.kind == "colours":
        stored = mask.pixels[..., ::-1]
        ids, unknown = colours_to_ids(mask.pixels, list(key.colours) or [(0, 0, 0)])
        ids[unknown] = 255
    stretched = np.minimum(ids.astype(np.uint16) * 255 // key.top, 255).astype(np.uint8)
    views = [one if one.ndim == 3 else np.repeat(one[..., np.newaxis], 3, axis=2) for one in (stored, stretched)]
    height = max(1, round(_WIDTH * ids.shape[0] / ids.shape[1]))
    row = np.full((height + _ROW + _GAP, 3 * (_WIDTH + _GAP), 3), _BACK, np.uint8)
    for index, (view, name) in enumerate(zip([*views, key.lut[ids]], (path.name, *_COLUMNS), strict=True)):
        left = index * (_WIDTH + _GAP)
        small = nearest(np.ascontiguousarray(view, np.uint8), (_WIDTH, height))
        row[_ROW : _ROW + height, left : left + _WIDTH] = small
        _write(row, name[:24], left, _ROW - 7)
    return row


def _legend(key: Key, most: int) -> Image:
    """One row per value: its grey in the stretched view, its colour, number, name and share."""
    values, total = key.values[:most], max(int(key.counts.sum()), 1)
    panel = np.full((_ROW * (len(values) + 2) + _GAP, 330, 3), _BACK, np.uint8)
    for text, left in (("grey", 0), ("colour", 38), ("value", 92), ("class", 134), ("share", 268)):
        _write(panel, text, left, _ROW - 7)
    for row, value in enumerate(values, start=1):
        top, bottom, base = row * _ROW + 3, (row + 1) * _ROW - 3, (row + 1) * _ROW - 7
        grey = min(value * 255 // key.top, 255)
        blue, green, red = key.lut[value].tolist()
        for left, right, colour in ((0, 28, (grey, grey, grey)), (40, 80, (blue, green, red))):
            fill(panel, (left, top), (right, bottom), colour)
            frame(panel, (left, top), (right, bottom), (90, 90, 90))
        _write(panel, f"{value:>3}", 94, base)
        _write(panel, key.names[value][:16], 134, base)
        _write(panel, f"{100 * key.counts[value] / total:5.1f} %", 262, base)
    return panel


def value_name(value: int, classes: ClassMap | None) -> str:
    """What a value means: a class, void, or nothing."""
    if classes is None:
        return ""
    if value < len(classes):
        return classes.names[value]
    return "void" if value == classes.void else "not a class"


def _write(panel: Image, text: str, left: int, base: int) -> None:
    write(panel, text, (left, base), 0.42, _TEXT)
