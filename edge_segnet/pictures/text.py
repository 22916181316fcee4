"""Words, plates and boxes in a picture, uint8 [H,W,3] BGR; OpenCV's letters are ASCII alone."""

from __future__ import annotations

from typing import Final

import cv2

from edge_segnet.core.types import Image

BgrColour = tuple[int, int, int]
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_PLATE: Final = (24, 24, 24)


def plain(text: str) -> str:
    """With a question mark for every letter that the font has not."""
    return text.encode("ascii", "replace").decode("ascii")


def width_of(text: str, scale: float, thickness: int = 1) -> int:
    """Pixels from its first letter to its last."""
    return int(cv2.getTextSize(plain(text), _FONT, scale, thickness)[0][0])


def write(picture: Image, text: str, at: tuple[int, int], scale: float, colour: BgrColour, thickness: int = 1) -> None:
    """Write a line; ``at``: (left, baseline)."""
    cv2.putText(picture, plain(text), at, _FONT, scale, colour, thickness, cv2.LINE_AA)


def fill(picture: Image, corner: tuple[int, int], opposite: tuple[int, int], colour: BgrColour) -> None:
    """A box between two corners (x, y), both within it."""
    cv2.rectangle(picture, corner, opposite, colour, cv2.FILLED)


def frame(picture: Image, corner: tuple[int, int], opposite: tuple[int, int], colour: BgrColour) -> None:
    """The edge of such a box, a pixel wide."""
    cv2.rectangle(picture, corner, opposite, colour, 1)


def plate(picture: Image, text: str, height: float, colour: BgrColour) -> None:
    """A line on a dark plate, its baseline at a share of the picture's height; too long a line is cut."""
    rows, columns = picture.shape[:2]
    scale, margin = max(0.3, rows / 700), max(2, columns // 40)
    room = columns - 2 * margin
    if width_of(text, scale) > room:
        while text and width_of(f"{text}...", scale) > room:
            text = text[:-1]
        text += "..."
    # The plate, because letters of two widths don't lie on each other in every OpenCV.
    left, base, tall = margin, round(rows * height), cv2.getTextSize("Xg", _FONT, scale, 1)[0][1]
    corner = (left + width_of(text, scale) + tall // 2, base + tall // 2)
    fill(picture, (left - tall // 2, base - tall - tall // 2), corner, _PLATE)
    write(picture, text, (left, base), scale, colour)
