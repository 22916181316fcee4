"""What a result looks like, encoded: overlay, mask, camera, the raw ids, and both layers for a browser that blends."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge_segnet.core.types import Image, Result
from edge_segnet.pictures.files import encode
from edge_segnet.pictures.overlay import blend, colourise
from edge_segnet.pictures.shape import fit_image, unfit_labels
from edge_segnet.sinks.proportions import seen_size

ALPHA: Final = 0.5
QUALITY: Final = 80
"""Of JPEG: a third less bytes than 90 for the same road."""
LAYERS: Final = "application/vnd.edge-segnet.layers"


@dataclass(frozen=True)
class Kind:
    """A picture's media type, and how it is made."""

    media_type: str
    make: Callable[[Result], bytes]


def _overlay(result: Result) -> bytes:
    colours = colourise(result.segmentation.labels, result.view.classes.lut_bgr)
    return _jpeg(fit_image(blend(result.frame.image, colours, ALPHA), seen_size(result)))


def _mask(result: Result) -> bytes:
    classes = result.view.classes
    labels = unfit_labels(result.segmentation.labels, seen_size(result), classes.void)
    return _jpeg(colourise(labels, classes.lut_bgr))


def _camera(result: Result) -> bytes:
    return _jpeg(fit_image(result.frame.image, seen_size(result)))


def _labels(result: Result) -> bytes:
    return encode(result.segmentation.labels, ".png")


def _layers(result: Result) -> bytes:
    """uint32 (big endian) length of the JPEG, the JPEG of the camera, the ids [H,W] as zlib data; network size."""
    picture = _jpeg(result.frame.image)
    ids = zlib.compress(result.segmentation.labels.tobytes(), 1)
    return len(picture).to_bytes(4, "big") + picture + ids


def _jpeg(image: Image) -> bytes:
    return encode(image, ".jpg", QUALITY)


KINDS: Final = {
    "overlay": Kind("image/jpeg", _overlay),
    "mask": Kind("image/jpeg", _mask),
    "camera": Kind("image/jpeg", _camera),
    "labels": Kind("image/png", _labels),
    "layers": Kind(LAYERS, _layers),
}
