"""What a result looks like, for every sink and command: colours, overlays, outlines, legends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.stats import shares
from edge_segnet.core.types import Fit, Frame, Image, Labels, Result, View
from edge_segnet.pictures.files import LEGEND_ROW
from edge_segnet.pictures.shape import fit_image, middle, seen_size, unfit_image, unfit_labels
from edge_segnet.pictures.text import plate


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


def lay_over(image: Image, labels: Labels, lut_bgr: NDArray[np.uint8]) -> Image:
    """The picture with its labels' colours at the usual strength, for sheets of small pictures."""
    return blend(image, colourise(labels, lut_bgr), ALPHA)


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


ALPHA: Final = 0.5
_OUTLINE: Final = (255, 255, 255)
_ALARM: Final = (60, 60, 235)
Visual = Literal["overlay", "mask", "labels", "margin"]
"""What ``segment`` makes."""
RAW: Final = ("labels", "margin")
"""Numbers and no colours: stored without loss."""
Extent: TypeAlias = Literal["shown", "network", "source"] | tuple[int, int]


@dataclass(frozen=True)
class RenderStyle:
    """How a result is drawn.

    ``visual``: the colours over the picture, the colours, the picture, raw ids, or raw margins (bright where the
    network is sure). ``size``: ``shown`` is what the
    network saw in the camera's proportions; ``network`` the same as the network saw it; ``source`` the whole picture as
    captured, void where ``fit: crop`` saw nothing; or ``shown`` at a (width, height). ``alpha``: the colours' share in
    an overlay. ``outlines``: names of regions.
    """

    visual: Visual | Literal["camera"] = "overlay"
    size: Extent = "shown"
    alpha: float = ALPHA
    legend: bool = False
    outlines: tuple[str, ...] = ()


def render(result: Result, style: RenderStyle) -> NDArray[np.uint8]:
    """The picture: uint8 [h,w,3] BGR, or [h,w] for ``labels`` and ``margin``. It may be the result's own."""
    if style.visual == "margin":
        return margins_of(result, style.size)
    picture = draw(result.frame, result.segmentation.labels, result.view, style)
    if not style.legend or style.visual == "labels":
        return picture
    classes, values = result.view.classes, shares(result.segmentation.counts)
    rows = [
        (name, f"{100 * share:.1f} %", (colour[2], colour[1], colour[0]))
        for name, colour, share in zip(classes.names, classes.colours, values, strict=False)
    ]
    return draw_legend(picture, rows)


def margins_of(result: Result, size: Extent) -> NDArray[np.uint8]:
    """Margins (units of ``core.margins``) as a picture [h,w]; black where nothing was seen, or nothing is known."""
    labels, margins = result.segmentation.labels, result.segmentation.margins
    shown = _size(result.frame, labels, result.view, size)
    fit = result.view.fit if size == "source" else "stretch"
    return unfit_labels(np.zeros_like(labels) if margins is None else margins, shown, 0, fit)


def draw(frame: Frame, labels: Labels, view: View, style: RenderStyle) -> NDArray[np.uint8]:
    """``render`` of what is no result yet; without a legend. What is drawn of a picture that did not come whole says
    so; the camera's picture itself stays as it came.
    """
    size = _size(frame, labels, view, style.size)
    whole = style.size == "source"
    if style.visual == "overlay" and not whole:
        # Blended as the network saw it, and then enlarged: that is less work.
        colours = colourise(labels, view.classes.lut_bgr)
        picture = fit_image(blend(frame.image, colours, style.alpha), size)
    else:
        picture = _layers(frame, labels, view, style, size)
    for name in style.outlines if style.visual != "labels" else ():
        corners = np.array(view.regions[name].polygon)
        draw_outline(picture, _in_whole(corners, labels, size, view) if whole else corners, _OUTLINE)
    if not frame.whole and style.visual in ("overlay", "mask"):
        _mark(picture)
    return picture


def _mark(picture: Image) -> None:
    """A red edge, for who looks from afar, and the word."""
    height, width = picture.shape[:2]
    thick = max(2, height // 60)
    cv2.rectangle(picture, (0, 0), (width - 1, height - 1), _ALARM, thick)
    plate(picture, "DAMAGED", 0.94, _ALARM)


def _layers(frame: Frame, labels: Labels, view: View, style: RenderStyle, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Each layer at ``size`` (width, height), then put together."""
    fit = view.fit if style.size == "source" else "stretch"
    if style.visual == "camera":
        return _picture(frame, size, fit, style)
    ids = unfit_labels(labels, size, view.classes.void, fit)
    if style.visual == "labels":
        return ids
    colours = colourise(ids, view.classes.lut_bgr)
    return colours if style.visual == "mask" else blend(_picture(frame, size, fit, style), colours, style.alpha)


def _picture(frame: Frame, size: tuple[int, int], fit: Fit, style: RenderStyle) -> Image:
    """A picture that may be drawn on."""
    if style.size == "source" and frame.original is not None:
        picture = fit_image(frame.original, size)
    else:
        picture = unfit_image(frame.image, size, fit)
    return picture if picture.flags.writeable or not style.outlines else picture.copy()


def shown_size(result: Result) -> tuple[int, int]:
    """(width, height) of what ``shown`` shows."""
    return _size(result.frame, result.segmentation.labels, result.view, "shown")


def _size(frame: Frame, labels: Labels, view: View, wanted: Extent) -> tuple[int, int]:
    network = (labels.shape[1], labels.shape[0])
    if wanted == "source":
        return frame.source_size
    if wanted == "network":
        return network
    return seen_size(network, frame.source_size, view.fit) if wanted == "shown" else wanted


def _in_whole(corners: NDArray[np.float64], labels: Labels, size: tuple[int, int], view: View) -> NDArray[np.float64]:
    """Corners [N,2] relative to what the network saw, as relative to the whole picture."""
    if view.fit == "stretch":
        return corners
    top, left, height, width = middle((size[1], size[0]), (labels.shape[1], labels.shape[0]))
    return (corners * (width, height) + (left, top)) / size
