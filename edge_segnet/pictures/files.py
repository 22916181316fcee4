"""The room of cv2: read, write, resize, colourise, blend, legend. Pictures are uint8 BGR, labels are uint8 ids."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.errors import InputError, OutputError
from edge_segnet.core.files import read_file, write_bytes
from edge_segnet.core.types import Image, Labels
from edge_segnet.pictures import LIMIT, MAX_PIXELS, jpeg
from edge_segnet.pictures.chatter import quiet_decoders
from edge_segnet.pictures.containers import fault, palette_as_grey, size_of

IMAGE_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
JPEG_QUALITY: Final = 90
MAX_BYTES: Final = 1 << 30
"""Of a picture file."""
LEGEND_ROW: Final = 14
"""Pixels; smaller letters can't be read."""


# Their chatter would stand beside our one line about the same file; -8 is FFmpeg's AV_LOG_QUIET.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
if "OPENCV_LOG_LEVEL" not in os.environ:
    # 0 is "silent"; the function moved in OpenCV 5.
    (getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel)(0)


def read_image(path: Path) -> Image:
    """A picture file as uint8 [H,W,3] BGR; grey, alpha and 16 bits are converted, EXIF rotation is applied.

    Raises:
        InputError: the file can't be read or is not a whole picture.
    """
    image = _decode(path, _read(path), cv2.IMREAD_COLOR)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        kind = f"{image.dtype} {'x'.join(map(str, image.shape))}"
        raise InputError(f"{path}: {kind} is no colour picture", hint="convert it to 8 or 16 bits a channel")
    return image


def decode_labels(contents: bytes, path: Path) -> Labels:
    """Of a label PNG that was read already, uint8 [H,W] ids; of a palette PNG (CVAT, VOC) the palette's indices.

    Raises:
        InputError: it is not whole, or holds colours where ids are expected; ``path`` names it.
    """
    _require_whole(path, contents)
    labels = _stored(contents, path)
    if labels.dtype != np.uint8 or labels.ndim != 2:
        kind = f"{labels.dtype} {'x'.join(map(str, labels.shape))}"
        raise InputError(f"{path}: {kind} is no label image", hint="label images are 8-bit grey, one class id a pixel")
    return labels


def read_stored(path: Path) -> tuple[NDArray[np.uint8], bytes]:
    """Pixels as stored (grey, BGR, BGRA or a palette's indices; maybe uint16), and the file; raises InputError."""
    data = _read(path)
    return _stored(data, path), data


def _stored(contents: bytes, path: Path) -> NDArray[np.uint8]:
    plain, factor = palette_as_grey(contents)
    pixels = _decode(path, plain, cv2.IMREAD_UNCHANGED)
    return pixels if factor == 1 else pixels // np.uint8(factor)


def read_lut(path: Path) -> NDArray[np.uint8]:
    """A palette PNG (256x1 or 1x256 pixels, as ``camvid12.png``) as uint8 [256,3] RGB.

    Raises:
        InputError: not a picture, or of another shape.
    """
    image = read_image(path)
    if sorted(image.shape[:2]) != [1, 256]:
        height, width = image.shape[:2]
        raise InputError(f"{path}: a palette of {width}x{height} pixels", hint="a palette has 256x1, one colour per id")
    return np.ascontiguousarray(image.reshape(256, 3)[:, ::-1])


def _read(path: Path) -> bytes:
    try:
        data = read_file(path, MAX_BYTES)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint="check the file and its rights") from error
    _require_whole(path, data)
    return data


def _require_whole(path: Path, data: bytes) -> None:
    if wrong := fault(data):
        raise InputError(f"{path}: {wrong}", hint="copy or download it again")
    width, height = size_of(data) or (0, 0)
    if width * height > MAX_PIXELS:
        words = f"{width}x{height} pixels are more than {MAX_PIXELS / 1e6:g} million"
        raise InputError(f"{path}: {words}", hint=f"shrink it, or raise the limit: {LIMIT}={width * height}")


def decode_image(contents: bytes, name: str) -> Image:
    """A colour picture that was read already, uint8 [H,W,3] BGR; ``name`` stands for it in errors.

    Raises:
        InputError: it is no picture, or not a whole one.
    """
    _require_whole(Path(name), contents)
    return np.ascontiguousarray(_decode(Path(name), contents, cv2.IMREAD_COLOR))


def _decode(path: Path, data: bytes, flags: int) -> NDArray[np.uint8]:
    try:
        if data.startswith(b"\xff\xd8"):
            image, wrong = jpeg.decode(data, flags)
        else:
            with quiet_decoders():
                plain, wrong = cv2.imdecode(np.frombuffer(data, np.uint8), flags), None
            # uint8 but for IMREAD_UNCHANGED, which decode_labels checks
            image = None if plain is None else np.asarray(plain)
    except cv2.error as error:
        reason = " ".join(str(error.err).split())
        raise InputError(f"{path}: not a picture that can be decoded ({reason})") from error
    if wrong is not None:
        raise InputError(f"{path}: the JPEG is damaged ({wrong})", hint="copy or download it again")
    if image is None:
        raise InputError(f"{path}: not a picture that can be decoded", hint="PNG, JPEG, WebP, BMP and TIFF can be read")
    return image


def encode(image: NDArray[np.uint8], suffix: str, quality: int = JPEG_QUALITY) -> bytes:
    """A picture or label image as file contents; ``suffix`` chooses the format, ``quality`` is JPEG's.

    Raises:
        OutputError: the format can't be written.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality] if suffix.lower() in {".jpg", ".jpeg"} else []
    try:
        done, data = cv2.imencode(suffix, image, options)
    except cv2.error as error:
        raise OutputError(f"can't write {suffix} pictures", hint="use .png or .jpg") from error
    if not done:
        raise OutputError(f"can't write a {image.shape} picture as {suffix}")
    return data.tobytes()


def write_image(path: Path, image: NDArray[np.uint8]) -> None:
    """Write a picture or label image, whole or not at all; raises OutputError."""
    write_bytes(path, encode(image, path.suffix))


def read_only(image: Image) -> Image:
    """Marks a finished picture: from here on nobody may write to it. Returns it."""
    image.setflags(write=False)
    return image
