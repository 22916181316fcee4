"""One label image as it is stored: grey ids, palette indices or colours. The one reader of label images: whoever looks
at them, checks, scores, learns from or converts them reads the same ids from the same file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.errors import InputError
from edge_segnet.core.types import Labels
from edge_segnet.pictures.containers import palette_of
from edge_segnet.pictures.files import read_stored

Kind = Literal["ids", "palette", "colours"]
Colour = tuple[int, int, int]
PIECE: Final = 1 << 21
"""Pixels of a large label image that are looked at at once."""
MOST_COLOURS: Final = 1 << 16
"""Kept while counting; a class map has at most 256, a smoothly resized one some thousands."""


@dataclass(frozen=True, eq=False)
class Mask:
    """``pixels``: uint8 [H,W] ids or palette indices, or [H,W,3] RGB. ``palette``: uint8 [N,3] RGB."""

    kind: Kind
    pixels: NDArray[np.uint8]
    palette: NDArray[np.uint8] | None
    stored: str
    """How the file holds them, for people: ``8-bit grey``, ``palette of 12``, ``8-bit RGB``."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)"""
        return self.pixels.shape[1], self.pixels.shape[0]


def read_mask(path: Path) -> Mask:
    """Read a label image.

    Colours that are all grey are ids that somebody saved in three channels; a palette that is all grey is one that an
    optimiser made of grey ids, in any order, so its greys are the ids. Other palettes are the classes' colours, and the
    pixels' own numbers the ids (CVAT, VOC).

    Raises:
        InputError: the file can't be read, or has ids above 255.
    """
    pixels: NDArray[Any]
    pixels, data = read_stored(path)
    bits = f"{8 * pixels.dtype.itemsize}-bit"
    if pixels.dtype == np.uint16:
        if int(pixels.max(initial=0)) > 255:
            hint = "16-bit instance images must become class ids first"
            raise InputError(f"{path}: label values up to {int(pixels.max())}", hint=hint)
        pixels = pixels.astype(np.uint8)
    elif pixels.dtype != np.uint8:
        raise InputError(f"{path}: {pixels.dtype} pixels are no label image", hint="8-bit grey, palette or RGB is")
    if pixels.ndim == 2:
        packed = palette_of(data)
        if packed is not None:
            if not packed or len(packed) % 3:
                raise InputError(f"{path}: a palette of {len(packed)} bytes", hint="three for each colour are right")
            palette = np.frombuffer(packed, np.uint8).reshape(-1, 3)
            if _is_grey(palette):
                return Mask("ids", _painted(path, pixels, palette[:, 0]), None, f"palette of {len(palette)} greys")
            return Mask("palette", pixels, palette, f"palette of {len(palette)}")
        return Mask("ids", pixels, None, f"{bits} grey")
    stored = f"{bits} {'RGBA' if pixels.shape[2] == 4 else 'RGB'}"
    blue, green, red = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    if np.array_equal(blue, green) and np.array_equal(green, red):
        return Mask("ids", np.ascontiguousarray(red), None, f"{stored}, all grey")
    return Mask("colours", np.ascontiguousarray(pixels[..., 2::-1]), None, stored)


def read_ids(path: Path) -> Labels:
    """The ids of a label image, uint8 [H,W]; raises InputError as ``read_mask``, or for colours."""
    mask = read_mask(path)
    if mask.kind == "colours":
        hint = "make ids of them first: edge-segnet labels convert DIR --classes MAP -o OUT"
        raise InputError(f"{path}: {mask.stored} holds colours, not class ids", hint=hint)
    return mask.pixels


def _is_grey(palette: NDArray[np.uint8]) -> bool:
    return bool((palette == palette[:, :1]).all())


def _painted(path: Path, indices: NDArray[np.uint8], greys: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if int(indices.max(initial=0)) >= len(greys):
        what = f"{path}: index {int(indices.max())} in a palette of {len(greys)}"
        raise InputError(what, hint="the file is damaged: export it again")
    return greys[indices]


def _codes(rgb: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """One number per colour of [...,3]."""
    wide = rgb.astype(np.uint32)
    return np.asarray(wide[..., 0] << np.uint32(16) | wide[..., 1] << np.uint32(8) | wide[..., 2], np.uint32)


def count_colours(rgb: NDArray[np.uint8]) -> dict[Colour, int]:
    """Pixels of each colour of [H,W,3]. Runs of one colour are counted as one: label images are mostly runs.

    Of a photograph, which has millions, about the ``MOST_COLOURS`` most frequent ones.
    """
    found: Counter[int] = Counter()
    for rows in _pieces(rgb):
        codes = _codes(rows.reshape(-1, 3))
        starts = np.flatnonzero(np.concatenate(([True], codes[1:] != codes[:-1])))
        lengths = np.diff(np.append(starts, len(codes)))
        values, places = np.unique(codes[starts], return_inverse=True)
        counts = np.bincount(places, weights=lengths).astype(np.int64)
        found.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        if len(found) > MOST_COLOURS:
            found = Counter(dict(found.most_common(MOST_COLOURS)))
    return {(code >> 16, code >> 8 & 255, code & 255): count for code, count in sorted(found.items())}


def _pieces(rgb: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Rows together of at most ``PIECE`` pixels: what is worked out of them is many times as large."""
    step = max(1, PIECE // max(1, rgb.shape[1]))
    for top in range(0, rgb.shape[0], step):
        yield rgb[top : top + step]


def colours_to_ids(rgb: NDArray[np.uint8], colours: list[Colour]) -> tuple[Labels, NDArray[np.bool_]]:
    """Ids [H,W] of RGB pixels by exact colour, the place in ``colours``; and where a pixel's colour is none of them."""
    codes = _codes(np.array(colours, np.uint8))
    order = np.argsort(codes)
    ids, unknown = np.empty(rgb.shape[:2], np.uint8), np.empty(rgb.shape[:2], np.bool_)
    top = 0
    for rows in _pieces(rgb):
        pixels = _codes(rows)
        places = np.minimum(np.searchsorted(codes[order], pixels), len(codes) - 1)
        part = slice(top, top + len(rows))
        unknown[part] = codes[order][places] != pixels
        ids[part] = order[places]
        top += len(rows)
    return ids, unknown
