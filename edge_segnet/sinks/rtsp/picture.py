"""What viewers of the video see: the overlay in the camera's proportions, or why there is none."""

from __future__ import annotations

from typing import Final

import numpy as np

from edge_segnet.core.types import Image, Result
from edge_segnet.pictures.overlay import RenderStyle, render
from edge_segnet.pictures.text import plate

LARGEST: Final = 1920
"""Pixels a side, as Full HD: a stream is for people to look at."""
FIRST: Final = (480, 360)
"""(width, height) of a notice before the first picture."""
_WHITE, _AMBER = (240, 240, 240), (60, 190, 255)


def overlay(result: Result) -> Image:
    """Colours over the picture, uint8 [H,W,3] BGR; a synthetic picture says so."""
    picture = render(result, RenderStyle(size=_size(result)))
    if result.frame.synthetic:
        plate(picture, "SYNTHETIC", 0.08, _AMBER)
    return picture


def notice(result: Result | None, title: str, detail: str) -> Image:
    """The last picture, if there is one, so dark that nobody takes it for a live one, with two lines of text."""
    if result is None:
        picture = np.full((FIRST[1], FIRST[0], 3), 32, np.uint8)
    else:
        picture = np.asarray(overlay(result) // 4, np.uint8)
    plate(picture, title, 0.48, _AMBER)
    plate(picture, detail, 0.58, _WHITE)
    return picture


def _size(result: Result) -> tuple[int, int]:
    """(width, height) with the camera's proportions, at least the network's resolution, as encoders like it: multiples
    of four, so that rows of BGR need no padding.
    """
    height, width = result.frame.image.shape[:2]
    if result.view.fit == "stretch":
        source_width, source_height = result.frame.source_size
        ratio = source_width / source_height
        width, height = max(width, round(height * ratio)), max(height, round(width / ratio))
    scale = min(1.0, LARGEST / max(width, height))
    return max(16, round(width * scale / 4) * 4), max(16, round(height * scale / 4) * 4)
