"""Pixels without a file around them, as messages of robots carry them: ROS's and Foxglove's encodings, to BGR."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.errors import InputError
from edge_segnet.core.types import Image, Labels
from edge_segnet.pictures import MAX_PIXELS


@dataclass(frozen=True)
class RawPixels:
    """Rows of ``step`` bytes each; ``encoding`` as ROS's ``sensor_msgs/image_encodings`` spells it."""

    width: int
    height: int
    step: int
    encoding: str
    data: bytes
    big_endian: bool = False


_CHANNELS: Final[Mapping[str, tuple[int, int | None]]] = {
    "bgr8": (3, None),
    "8UC3": (3, None),
    "rgb8": (3, cv2.COLOR_RGB2BGR),
    "bgra8": (4, cv2.COLOR_BGRA2BGR),
    "8UC4": (4, cv2.COLOR_BGRA2BGR),
    "rgba8": (4, cv2.COLOR_RGBA2BGR),
    "mono8": (1, cv2.COLOR_GRAY2BGR),
    "8UC1": (1, cv2.COLOR_GRAY2BGR),
    "uyvy": (2, cv2.COLOR_YUV2BGR_UYVY),
    "yuv422": (2, cv2.COLOR_YUV2BGR_UYVY),
    "yuyv": (2, cv2.COLOR_YUV2BGR_YUYV),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2BGR_YUYV),
    # OpenCV names a Bayer pattern by its second row's second and third pixel, ROS by its first two rows.
    "bayer_rggb8": (1, cv2.COLOR_BayerBG2BGR),
    "bayer_bggr8": (1, cv2.COLOR_BayerRG2BGR),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGR2BGR),
    "bayer_grbg8": (1, cv2.COLOR_BayerGB2BGR),
}
"""Bytes a pixel, and how OpenCV makes BGR of them."""
MONO16: Final = "mono16"


def to_bgr(raw: RawPixels, name: str) -> Image:
    """uint8 [H,W,3] BGR; of 16 bits the upper eight. ``name`` stands for it in errors.

    Raises:
        InputError: an encoding that is no colour or grey picture (depth), or too few bytes.
    """
    known = (2, None) if raw.encoding == MONO16 else _CHANNELS.get(raw.encoding)
    if known is None:
        hint = f"known: {', '.join(_CHANNELS)}, {MONO16}; choose a camera's topic with ?topic="
        raise InputError(f"{name}: pixels of encoding {raw.encoding!r}", hint=hint)
    rows = _rows(raw, known[0], name)
    if raw.encoding == MONO16:
        grey = rows.view(">u2" if raw.big_endian else "<u2")[..., 0]
        return np.asarray(cv2.cvtColor((grey >> 8).astype(np.uint8), cv2.COLOR_GRAY2BGR), np.uint8)
    if known[1] is None:
        copy: Image = rows.copy()
        return copy
    try:
        flat = rows[..., 0] if known[0] == 1 else rows
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(flat), known[1]), np.uint8)
    except cv2.error as error:
        what = f"{name}: {raw.width}x{raw.height} pixels can't be {raw.encoding}"
        raise InputError(what, hint="the message is damaged") from error


def grey(raw: RawPixels, name: str) -> Labels:
    """uint8 [H,W] as it is: class ids. Raises InputError: it has not one byte a pixel."""
    if raw.encoding not in ("mono8", "8UC1"):
        raise InputError(f"{name}: pixels of encoding {raw.encoding!r} are no class ids", hint="mono8 is")
    ids: Labels = _rows(raw, 1, name)[..., 0]
    return ids


def _rows(raw: RawPixels, channels: int, name: str) -> NDArray[np.uint8]:
    """[H,W,channels], without what fills the rows up."""
    width, height, step = raw.width, raw.height, raw.step
    if not 0 < width * height <= MAX_PIXELS:
        raise InputError(f"{name}: a picture of {width}x{height} pixels", hint="the message is damaged")
    step = step or width * channels
    if step < width * channels or len(raw.data) < step * (height - 1) + width * channels:
        what = f"{name}: {len(raw.data)} bytes are too few for {width}x{height} {raw.encoding} in rows of {step}"
        raise InputError(what, hint="the message is damaged")
    filled = np.frombuffer(raw.data.ljust(step * height, b"\0"), np.uint8, step * height)
    pixels: NDArray[np.uint8] = filled.reshape(height, step)[:, : width * channels]
    return np.ascontiguousarray(pixels).reshape(height, width, channels)
