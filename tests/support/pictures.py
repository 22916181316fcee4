"""Pictures that tests read and write, and no command does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.types import Image, Labels
from edge_segnet.pictures.files import decode_labels, write_image


def read_labels(path: Path) -> Labels:
    """A label PNG as uint8 [H,W] ids; of a palette PNG the palette's indices."""
    return decode_labels(path.read_bytes(), path)


def write_lut(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Colours uint8 [256,3] RGB (``ClassMap.lut_rgb``) as a palette PNG that ``read_lut`` reads."""
    write_image(path, np.ascontiguousarray(rgb[np.newaxis, :, ::-1]))


def write_picture(path: Path, image: Image) -> None:
    """uint8 [H,W,3] BGR, loss-free."""
    write_image(path, np.ascontiguousarray(image))
