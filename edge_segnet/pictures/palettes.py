"""A model's class map in the colours of a palette file, as the 2015 demo's ``--colours`` gave them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap, from_lut
from edge_segnet.core.errors import ModelError
from edge_segnet.pictures.files import read_lut


def lab_of(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """CIE L*a*b* of colours, float32 [N,3] for RGB [N,3] from 0 to 1: distances in it are what eyes see."""
    return np.asarray(cv2.cvtColor(rgb[np.newaxis], cv2.COLOR_RGB2LAB)[0], np.float32)


def recoloured(classes: ClassMap, palette: Path) -> ClassMap:
    """The class map with a palette's colours.

    Raises:
        ModelError: the palette is for another number of classes (CamVid's 11 and 12, say).
    """
    lut = from_lut(read_lut(palette), None, palette.stem)
    if len(lut) != len(classes):
        raise ModelError(
            f"{palette}: {len(lut)} colours, but the model has {len(classes)} classes ({classes.name})",
            hint="a palette shifted by one class would colour cars as fences",
        )
    return dataclasses.replace(classes, colours=lut.colours)
