"""The room of cv2: pictures and videos read, shaped, drawn, written. OpenCV's own limit is set before it is loaded."""

from __future__ import annotations

import os
from typing import Final

LIMIT: Final = "OPENCV_IO_MAX_IMAGE_PIXELS"
"""OpenCV's own variable, which it reads when it is loaded, and its default is a gigapixel."""


def _most_pixels() -> int:
    text = os.environ.setdefault(LIMIT, "100000000")
    if not (text.isdecimal() and 0 < int(text) < 1 << 40):
        os.environ[LIMIT] = text = "100000000"
    return int(text)


MAX_PIXELS: Final = _most_pixels()
"""Larger pictures are refused by their header, before anything is decoded."""
