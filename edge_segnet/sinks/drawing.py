"""What a result looks like, in the camera's proportions; for sinks that send or keep pictures."""

from __future__ import annotations

from typing import Final

from edge_segnet.core.types import Image, Result
from edge_segnet.pictures.overlay import blend, colourise
from edge_segnet.pictures.shape import fit_image, unfit_labels
from edge_segnet.settings.sections import Picture
from edge_segnet.sinks.proportions import seen_size

ALPHA: Final = 0.5


def draw(kind: Picture, result: Result) -> Image:
    """uint8 [H,W,3] BGR: the camera's picture, the classes' colours, or the colours over the picture."""
    size, classes = seen_size(result), result.view.classes
    if kind == "camera":
        return fit_image(result.frame.image, size)
    if kind == "mask":
        return colourise(unfit_labels(result.segmentation.labels, size, classes.void), classes.lut_bgr)
    colours = colourise(result.segmentation.labels, classes.lut_bgr)
    return fit_image(blend(result.frame.image, colours, ALPHA), size)
