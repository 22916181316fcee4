"""The room of cv2: read, write, resize, colourise, blend, legend. Pictures are uint8 BGR, labels are uint8 ids."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.errors import InputError, OutputError
from edge_segnet.files import write_bytes
from edge_segnet.types import Fit, Image, Labels

IMAGE_SUFFIXES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
JPEG_QUALITY: Final = 90


def read_image(path: Path) -> Image:
    """A picture file as uint8 [H,W,3] BGR; grey and alpha are converted, EXIF rotation is applied.

    Raises:
        InputError: the file can't be read or is not a whole picture.
    """
    return _decode(path, cv2.IMREAD_COLOR)


def read_labels(path: Path) -> Labels:
    """A label PNG as uint8 [H,W] ids.

    Raises:
        InputError: the file can't be read, or holds colours where ids are expected.
    """
    labels = _decode(path, cv2.IMREAD_UNCHANGED)
    if labels.dtype != np.uint8 or labels.ndim != 2:
        kind = f"{labels.dtype} {'x'.join(map(str, labels.shape))}"
        raise InputError(f"{path}: {kind} is no label image", hint="label images are 8-bit grey, one class id a pixel")
    return labels


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


def _decode(path: Path, flags: int) -> NDArray[np.uint8]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if not data:
        raise InputError(f"{path}: the file is empty")
    if _truncated_jpeg(data):
        raise InputError(f"{path}: the JPEG is cut off", hint="copy or download it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise InputError(f"{path}: not a picture that can be decoded ({error.err})") from error
    if image is None:
        raise InputError(f"{path}: not a whole picture", hint="PNG, JPEG, WebP, BMP and TIFF can be read")
    return image  # type: ignore[return-value]  # uint8 but for IMREAD_UNCHANGED, which read_labels checks


def _truncated_jpeg(data: bytes) -> bool:
    """libjpeg fills what is missing with grey and only warns; such a picture must not be counted as seen."""
    return data[:2] == b"\xff\xd8" and b"\xff\xd9" not in data[-4096:]


def encode(image: NDArray[np.uint8], suffix: str) -> bytes:
    """A picture or label image as file contents; ``suffix`` chooses the format.

    Raises:
        OutputError: the format can't be written.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY] if suffix.lower() in {".jpg", ".jpeg"} else []
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


def fit_image(image: Image, size: tuple[int, int], fit: Fit = "stretch") -> Image:
    """Bring a picture to ``size`` (width, height): stretched as the original demo did, or its middle cut out first."""
    if fit == "crop":
        top, left, height, width = _middle(image.shape[:2], size)
        image = image[top : top + height, left : left + width]
    if image.shape[1::-1] == size:
        return image
    shrinks = image.shape[1] > 2 * size[0] and image.shape[0] > 2 * size[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def unfit_labels(labels: Labels, size: tuple[int, int], void: int, fit: Fit = "stretch") -> Labels:
    """Labels back at the picture's ``size`` (width, height), nearest neighbour; void where ``crop`` saw nothing."""
    if labels.shape[1::-1] == size:
        return labels
    width, height = size
    if fit == "stretch":
        return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    top, left, seen_height, seen_width = _middle((height, width), (labels.shape[1], labels.shape[0]))
    full = np.full((height, width), void, np.uint8)
    seen = cv2.resize(labels, (seen_width, seen_height), interpolation=cv2.INTER_NEAREST)
    full[top : top + seen_height, left : left + seen_width] = seen
    return full


def _middle(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the largest middle part of ``shape`` (H, W) with the aspect of ``size`` (w, h)."""
    height, width = shape
    part_width = min(width, max(1, round(height * size[0] / size[1])))
    part_height = min(height, max(1, round(width * size[1] / size[0])))
    return (height - part_height) // 2, (width - part_width) // 2, part_height, part_width


def colourise(labels: Labels, lut_bgr: NDArray[np.uint8]) -> Image:
    """Labels [H,W] as colours [H,W,3] BGR; ``lut_bgr`` is uint8 [256,3]."""
    return np.asarray(cv2.applyColorMap(labels, lut_bgr.reshape(256, 1, 3)), np.uint8)


def blend(image: Image, colours: Image, alpha: float) -> Image:
    """``alpha`` of the colours over the picture."""
    return np.asarray(cv2.addWeighted(colours, alpha, image, 1.0 - alpha, 0.0), np.uint8)


def draw_legend(image: Image, entries: list[tuple[str, str, tuple[int, int, int]]]) -> Image:
    """A copy of the picture with a panel at its right: one row per entry (name, value, BGR colour).

    The panel's width depends on the names alone, so that the frames of a video keep one size.
    """
    height = image.shape[0]
    row = max(12, min(28, height // max(len(entries), 1)))
    scale = row / 40.0
    font, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(2 * scale))

    def width(text: str) -> int:
        return int(cv2.getTextSize(text, font, scale, thickness)[0][0])

    names = max((width(name) for name, _, _ in entries), default=0)
    right = row + row // 3 + names + row // 3 + width("100.0 %")
    panel = np.full((height, right + row // 3, 3), 24, np.uint8)
    for index, (name, value, colour) in enumerate(entries):
        top, base = index * row, index * row + round(row * 0.72)
        cv2.rectangle(panel, (row // 4, top + row // 5), (row, top + row - row // 5), colour, cv2.FILLED)
        for text, left in ((name, row + row // 3), (value, right - width(value))):
            cv2.putText(panel, text, (left, base), font, scale, (235, 235, 235), thickness, cv2.LINE_AA)
    return np.hstack([image, panel])
