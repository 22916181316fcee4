"""A camera's picture brought to network size, to where its frame shall be. What that costs is counted: on every way in
one conversion (a decoder, a converter, OpenCV), and one copy at network size at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.types import Image
from edge_segnet.core.uris import quarter
from edge_segnet.pictures.files import read_only
from edge_segnet.pictures.shape import fit_image, flip_image, without_alpha
from edge_segnet.sources.live import FrameFormat

Place = Callable[[tuple[int, int]], Image | None]
"""Where a picture of (width, height) shall be put; None: anywhere."""


def anywhere(_: tuple[int, int]) -> None:
    """A picture goes where there is room."""


class Drawn(NamedTuple):
    """A picture, read-only, and how often it was copied (scaling it is none)."""

    image: Image
    copies: int


class Picture(NamedTuple):
    """A camera's picture at the size that was wanted. ``source_size`` (width, height): its own, after the flip."""

    image: Image
    source_size: tuple[int, int]
    whole: bool
    copies: int


def draw(picture: NDArray[np.uint8], wish: FrameFormat, place: Place) -> Drawn:
    """``picture``, uint8 [H,W,3] BGR or (turned already) [H,W,4] BGRx, in memory of its own: nothing refers to
    ``picture``, which may be somebody else's.
    """
    width, height = wish.size
    canvas = place(wish.size)
    target = np.empty((height, width, 3), np.uint8) if canvas is None else canvas
    copies = 1
    if picture.shape[2] == 4:
        without_alpha(fit_image(picture, wish.size, wish.fit), target)
    elif wish.flip != "none":
        # Turned last: the fewer pixels are moved.
        flip_image(fit_image(picture, quarter(wish.size, wish.flip), wish.fit), wish.flip, target)
    elif (fitted := fit_image(picture, wish.size, wish.fit, target)) is target:
        copies = 0
    else:
        np.copyto(target, fitted)
    return Drawn(read_only(target), copies)
