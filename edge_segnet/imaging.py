"""The room of cv2: read, write, resize, colourise, blend, legend. Pictures are uint8 BGR, labels are uint8 ids."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.errors import InputError
from edge_segnet.types import Image, Labels


def read_image(path: Path) -> Image:
    """A picture file as uint8 [H,W,3] BGR; grey and alpha are converted, EXIF rotation is applied.

    Raises:
        InputError: the file can't be read or is not a picture.
    """
    return _decode(path, cv2.IMREAD_COLOR)


def read_labels(path: Path) -> Labels:
    """A label PNG as uint8 [H,W] ids: an 8-bit grey file or a palette file's grey-coded ids.

    Raises:
        InputError: the file can't be read, or holds colours where ids are expected.
    """
    labels = _decode(path, cv2.IMREAD_UNCHANGED)
    if labels.dtype != np.uint8 or labels.ndim != 2:
        kind = f"{labels.dtype} {'x'.join(map(str, labels.shape))}"
        raise InputError(f"{path}: {kind} is no label image", hint="label images are 8-bit grey, one class id a pixel")
    return labels


def _decode(path: Path, flags: int) -> NDArray[np.uint8]:
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if data.size == 0:
        raise InputError(f"{path}: the file is empty")
    try:
        image = cv2.imdecode(data, flags)
    except cv2.error as error:
        raise InputError(f"{path}: not a picture that can be decoded ({error.err})") from error
    if image is None:
        raise InputError(f"{path}: not a picture", hint="PNG, JPEG, WebP, BMP and TIFF can be read")
    return np.asarray(image, np.uint8) if image.dtype == np.uint8 else image
