"""What a result looks like: colours, overlays, outlines, legends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.stats import shares
from edge_segnet.core.types import Image, Labels, Result
from edge_segnet.pictures.files import LEGEND_ROW
from edge_segnet.pictures.shape import unfit_labels


def draw_outline(image: Image, polygon: NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    """Draw a closed line into the picture; ``polygon`` [N,2] is relative to its size, ``colour`` BGR."""
    corners = np.rint(polygon * (image.shape[1], image.shape[0]) * 16 - 8).astype(np.int32)
    for width, tone in ((4, (0, 0, 0)), (2, colour)):
        cv2.polylines(image, [corners], True, tone, width, cv2.LINE_AA, shift=4)


def colourise(labels: Labels, lut_bgr: NDArray[np.uint8]) -> Image:
    """Labels [H,W] as colours [H,W,3] BGR; ``lut_bgr`` is uint8 [256,3]."""
    return np.asarray(cv2.applyColorMap(labels, lut_bgr.reshape(256, 1, 3)), np.uint8)


def blend(image: Image, colours: Image, alpha: float) -> Image:
    """``alpha`` of the colours over the picture."""
    return np.asarray(cv2.addWeighted(colours, alpha, image, 1.0 - alpha, 0.0), np.uint8)


def draw_legend(image: Image, entries: list[tuple[str, str, tuple[int, int, int]]], widest: str = "100.0 %") -> Image:
    """A copy of the picture with a panel at its right: one row per entry (name, value, BGR colour).

    The panel's width depends on the names and the ``widest`` value that can come, so that the frames of a video keep
    one size; a picture that is too low for all rows gets a dark margin below.
    """
    row = max(LEGEND_ROW, min(image.shape[0] // max(len(entries), 1), max(28, image.shape[0] // 30)))
    height = max(image.shape[0], row * len(entries))
    scale = row / 40.0
    font, thickness = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(2 * scale))

    def width(text: str) -> int:
        return int(cv2.getTextSize(text, font, scale, thickness)[0][0])

    names = max((width(name) for name, _, _ in entries), default=0)
    right = row + row // 3 + names + row // 3 + width(widest)
    canvas = np.full((height, image.shape[1] + right + row // 3, 3), 24, np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    panel = canvas[:, image.shape[1] :]
    for index, (name, value, colour) in enumerate(entries):
        top, base = index * row, index * row + round(row * 0.72)
        cv2.rectangle(panel, (row // 4, top + row // 5), (row, top + row - row // 5), colour, cv2.FILLED)
        for text, left in ((name, row + row // 3), (value, right - width(value))):
            cv2.putText(panel, text, (left, base), font, scale, (235, 235, 235), thickness, cv2.LINE_AA)
    return canvas


Visual = Literal["overlay", "mask", "labels"]


@dataclass(frozen=True)
class RenderStyle:
    """How results are drawn: colours over the picture, colours alone, or raw ids; ``alpha`` is the colours' share."""

    visual: Visual = "overlay"
    alpha: float = 0.5
    legend: bool = False


def draw(result: Result, style: RenderStyle) -> NDArray[np.uint8]:
    """The picture of a result at source size: uint8 [h,w,3] BGR, or [h,w] ids for ``labels``."""
    frame, segmentation, classes = result.frame, result.segmentation, result.view.classes
    labels = unfit_labels(segmentation.labels, frame.source_size, classes.void, result.view.fit)
    if style.visual == "labels":
        return labels
    picture = colourise(labels, classes.lut_bgr)
    if style.visual == "overlay":
        picture = blend(frame.image if frame.original is None else frame.original, picture, style.alpha)
    if not style.legend:
        return picture
    values = shares(segmentation.counts)
    rows = [
        (name, f"{100 * share:.1f} %", (colour[2], colour[1], colour[0]))
        for name, colour, share in zip(classes.names, classes.colours, values, strict=False)
    ]
    return draw_legend(picture, rows)
