"""What a result looks like, encoded: overlay, mask, camera, the raw ids, and both layers for a browser that blends."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from edge_segnet.core.errors import InputError
from edge_segnet.core.types import Image, Result
from edge_segnet.pictures.files import decode_image, encode
from edge_segnet.pictures.overlay import RenderStyle, render
from edge_segnet.pictures.shape import fit_image

QUALITY: Final = 80
"""Of JPEG: a third less bytes than 90 for the same road."""
LAYERS: Final = "application/vnd.edge-segnet.layers"


@dataclass(frozen=True)
class Kind:
    """A picture's media type, and how it is made."""

    media_type: str
    make: Callable[[Result], bytes]


def _layers(result: Result) -> bytes:
    """uint32 (big endian) length of the JPEG, the JPEG of the camera, the ids [H,W] as zlib data; network size."""
    picture = _jpeg(result.frame.image)
    ids = zlib.compress(result.segmentation.labels.tobytes(), 1)
    return len(picture).to_bytes(4, "big") + picture + ids


def narrow(jpeg: bytes, width: int) -> bytes:
    """The picture at that width, if it is wider; what is no picture stays as it is."""
    try:
        image = decode_image(jpeg, "snapshot")
    except InputError:
        return jpeg
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return jpeg if image.shape[1] <= width else _jpeg(fit_image(image, (width, height)))


def _jpeg(image: Image) -> bytes:
    return encode(image, ".jpg", QUALITY)


def _jpeg_of(style: RenderStyle) -> Kind:
    return Kind("image/jpeg", lambda result: _jpeg(render(result, style)))


KINDS: Final = {
    "overlay": _jpeg_of(RenderStyle("overlay")),
    "mask": _jpeg_of(RenderStyle("mask")),
    "camera": _jpeg_of(RenderStyle("camera")),
    "labels": Kind("image/png", lambda result: encode(result.segmentation.labels, ".png")),
    "margin": Kind("image/png", lambda result: encode(render(result, RenderStyle("margin", "network")), ".png")),
    "layers": Kind(LAYERS, _layers),
}
