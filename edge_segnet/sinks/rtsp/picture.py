"""What viewers of the video see: the overlay in the camera's proportions, or why there is none."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np

from edge_segnet.core.types import Image, Result
from edge_segnet.pictures.overlay import blend, colourise

ALPHA: Final = 0.5
LARGEST: Final = 1920
FIRST: Final = (480, 360)
"""(width, height) of a notice before the first picture."""
_WHITE, _AMBER = (240, 240, 240), (60, 190, 255)


def overlay(result: Result) -> Image:
    """Colours over the picture, uint8 [H,W,3] BGR; a synthetic picture says so."""
    colours = colourise(result.segmentation.labels, result.view.classes.lut_bgr)
    picture = _resized(blend(result.frame.image, colours, ALPHA), _size(result))
    if result.frame.synthetic:
        _write(picture, "SYNTHETIC", 0.08, _AMBER)
    return picture


def notice(result: Result | None, title: str, detail: str) -> Image:
    """The last picture, if there is one, so dark that nobody takes it for a live one, with two lines of text."""
    if result is None:
        picture = np.full((FIRST[1], FIRST[0], 3), 32, np.uint8)
    else:
        picture = np.asarray(overlay(result) // 4, np.uint8)
    _write(picture, title, 0.48, _AMBER)
    _write(picture, detail, 0.58, _WHITE)
    return picture


def _size(result: Result) -> tuple[int, int]:
    """(width, height) with the camera's proportions, at least the network's resolution, as encoders like it: multiples
    of four, so that rows of BGR need no padding.
    """
    height, width = result.frame.image.shape[:2]
    if result.view.fit == "stretch":
        source_width, source_height = result.frame.source_size
        ratio = source_width / source_height
        width, height = max(width, round(height * ratio)), max(height, round(width / ratio))
    scale = min(1.0, LARGEST / max(width, height))
    return max(16, round(width * scale / 4) * 4), max(16, round(height * scale / 4) * 4)


def _resized(image: Image, size: tuple[int, int]) -> Image:
    if image.shape[1::-1] == size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _write(picture: Image, text: str, height: float, colour: tuple[int, int, int]) -> None:
    """Write a line into the picture, its baseline at a share of the height; too long a line is cut."""
    text = text.encode("ascii", "replace").decode()
    rows, columns = picture.shape[:2]
    font, scale, margin = cv2.FONT_HERSHEY_SIMPLEX, max(0.3, rows / 700), max(2, columns // 40)

    def width(words: str) -> int:
        return int(cv2.getTextSize(words, font, scale, 1)[0][0])

    if width(text) > columns - 2 * margin:
        while text and width(f"{text}...") > columns - 2 * margin:
            text = text[:-1]
        text += "..."
    # A plate, because letters of two widths don't lie on each other in every OpenCV.
    left, base, tall = margin, round(rows * height), cv2.getTextSize("Xg", font, scale, 1)[0][1]
    corner = (left + width(text) + tall // 2, base + tall // 2)
    cv2.rectangle(picture, (left - tall // 2, base - tall - tall // 2), corner, (24, 24, 24), cv2.FILLED)
    cv2.putText(picture, text, (left, base), font, scale, colour, 1, cv2.LINE_AA)
