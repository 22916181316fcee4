"""The contact sheet: label images as they are stored (black), stretched to be seen, and in their classes' colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.classes import ClassMap
from edge_segnet.labels.masks import Mask, colours_to_ids, read_mask
from edge_segnet.types import Image

TILES: Final = 12
"""Label images on a sheet, taken evenly from all."""
_WIDTH: Final = 220
_GAP: Final = 8
_ROW: Final = 22
_BACK: Final = 28
_TEXT: Final = (235, 235, 235)
_COLUMNS: Final = ("as stored", "stretched", "classes")


def contact_sheet(paths: Sequence[Path], counts: NDArray[np.int64], classes: ClassMap | None) -> Image:
    """A picture of up to twelve label images and a legend.

    Args:
        paths: all of the label images.
        counts: pixels of each value in all of them, int64 [256]; zeros where they hold colours.
        classes: names and colours; without it every value gets a colour of its own.

    Raises:
        InputError: a label image can't be read.
    """
    chosen = [paths[int(place)] for place in np.linspace(0, len(paths) - 1, min(TILES, len(paths))).round()]
    values = [int(value) for value in np.flatnonzero(counts)]
    lut = _lut(values, classes)
    top = max(values, default=1) or 1
    rows = [_tiles(read_mask(path), path, top, lut, classes) for path in chosen]
    if len(rows) > 1 and len(rows) % 2:
        rows.append(np.full_like(rows[-1], _BACK))
    pairs = [np.concatenate(rows[index : index + 2], axis=1) for index in range(0, len(rows), 2)]
    width, height = max(row.shape[1] for row in pairs), sum(row.shape[0] for row in pairs)
    legend = _legend(values, counts, top, lut, classes)
    sheet = np.full((max(height, legend.shape[0]) + _GAP, width + legend.shape[1] + 2 * _GAP, 3), _BACK, np.uint8)
    at = _GAP
    for row in pairs:
        sheet[at : at + row.shape[0], _GAP : _GAP + row.shape[1]] = row
        at += row.shape[0]
    sheet[_GAP : _GAP + legend.shape[0], width + 2 * _GAP :] = legend[: sheet.shape[0] - _GAP]
    return sheet


def _lut(values: list[int], classes: ClassMap | None) -> NDArray[np.uint8]:
    """uint8 [256,3] BGR. Values that are no class are shown in white and void in black; without classes, every value
    in a colour that differs from its neighbours'."""
    if classes is not None:
        lut = np.full((256, 3), 255, np.uint8)
        lut[: len(classes)] = classes.lut_bgr[: len(classes)]
        lut[classes.void] = classes.void_colour[::-1]
        return lut
    hues = np.zeros((1, 256, 3), np.uint8)
    for place, value in enumerate(values):
        hues[0, value] = (int(place * 180 * 0.381966) % 180, 200, 255 - 90 * (place % 2))
    return np.asarray(cv2.cvtColor(hues, cv2.COLOR_HSV2BGR)[0], np.uint8)


def _tiles(mask: Mask, path: Path, top: int, lut: NDArray[np.uint8], classes: ClassMap | None) -> Image:
    """One label image three times, side by side, with its name above."""
    if mask.kind == "colours":
        stored = mask.pixels[..., ::-1]
        ids = np.zeros(mask.pixels.shape[:2], np.uint8)
        if classes is not None:
            ids, unknown = colours_to_ids(mask.pixels, [*classes.colours, classes.void_colour])
            ids[unknown] = 255
        views = [stored, cv2.cvtColor(_stretch(ids, top), cv2.COLOR_GRAY2BGR), lut[ids] if classes else stored]
    else:
        grey = _stretch(mask.pixels, top)
        views = [*(cv2.cvtColor(one, cv2.COLOR_GRAY2BGR) for one in (mask.pixels, grey)), lut[mask.pixels]]
    height = max(1, round(_WIDTH * mask.pixels.shape[0] / mask.pixels.shape[1]))
    row = np.full((height + _ROW + _GAP, 3 * (_WIDTH + _GAP), 3), _BACK, np.uint8)
    for index, (view, name) in enumerate(zip(views, _COLUMNS, strict=True)):
        left = index * (_WIDTH + _GAP)
        small = cv2.resize(np.ascontiguousarray(view, np.uint8), (_WIDTH, height), interpolation=cv2.INTER_NEAREST)
        row[_ROW : _ROW + height, left : left + _WIDTH] = small
        _write(row, f"{path.name[:24]}" if index == 0 else name, left, _ROW - 7)
    return row


def _stretch(ids: NDArray[np.uint8], top: int) -> NDArray[np.uint8]:
    """Grey in which the largest value that occurs is white."""
    return np.minimum(ids.astype(np.uint16) * 255 // top, 255).astype(np.uint8)


def _legend(
    values: list[int], counts: NDArray[np.int64], top: int, lut: NDArray[np.uint8], classes: ClassMap | None
) -> Image:
    """One row per value: its grey in the stretched view, its colour, number, class and share."""
    panel = np.full((_ROW * (len(values) + 2) + _GAP, 330, 3), _BACK, np.uint8)
    for text, left in (("grey", 0), ("colour", 38), ("value", 92), ("class", 134), ("share", 268)):
        _write(panel, text, left, _ROW - 7)
    total = max(int(counts.sum()), 1)
    for row, value in enumerate(values, start=1):
        y = row * _ROW
        grey = int(min(value * 255 // top, 255))
        cv2.rectangle(panel, (0, y + 3), (28, y + _ROW - 3), (grey, grey, grey), cv2.FILLED)
        cv2.rectangle(panel, (0, y + 3), (28, y + _ROW - 3), (90, 90, 90), 1)
        cv2.rectangle(panel, (40, y + 3), (80, y + _ROW - 3), [int(part) for part in lut[value]], cv2.FILLED)
        cv2.rectangle(panel, (40, y + 3), (80, y + _ROW - 3), (90, 90, 90), 1)
        _write(panel, f"{value:>3}", 94, y + _ROW - 7)
        _write(panel, value_name(value, classes), 134, y + _ROW - 7)
        _write(panel, f"{100 * counts[value] / total:5.1f} %", 262, y + _ROW - 7)
    return panel


def value_name(value: int, classes: ClassMap | None) -> str:
    """What a value means: a class, void, or nothing."""
    if classes is None:
        return ""
    if value < len(classes):
        return classes.names[value]
    return "void" if value == classes.void else "not a class"


def _write(panel: Image, text: str, left: int, base: int) -> None:
    plain = text.encode("ascii", "replace").decode("ascii")  # the font has no other letters
    cv2.putText(panel, plain, (left, base), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _TEXT, 1, cv2.LINE_AA)
