"""Shapes: a picture fitted to a network's size, labels brought back, flips; uint8 in, uint8 out."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.types import Fit, Image, Labels
from edge_segnet.core.uris import Flip


def fit_image(image: Image, size: tuple[int, int], fit: Fit = "stretch", into: Image | None = None) -> Image:
    """Bring a picture to ``size`` (width, height): stretched as the original demo did, or its middle cut out first.
    ``into``: what is scaled is written there; what has the size is (a part of) the picture itself.
    """
    if fit == "crop":
        top, left, height, width = middle(image.shape[:2], size)
        image = image[top : top + height, left : left + width]
    if image.shape[1::-1] == size:
        return image
    shrinks = image.shape[1] > 2 * size[0] and image.shape[0] > 2 * size[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    scaled_image = cv2.resize(image, size, dst=into, interpolation=method)
    return np.asarray(scaled_image, np.uint8) if into is None else into


def flip_image(image: Image, flip: Flip, into: Image | None = None) -> Image:
    """A mirrored or turned copy of a picture (quarter turns swap width and height), ``into`` memory that is there;
    ``none``: the picture itself.
    """
    match flip:
        case "none":
            return image
        case "horizontal" | "vertical":
            return np.asarray(cv2.flip(image, 1 if flip == "horizontal" else 0, into), np.uint8)
        case "rotate-90":
            turn = cv2.ROTATE_90_CLOCKWISE
        case "rotate-180":
            turn = cv2.ROTATE_180
        case "rotate-270":
            turn = cv2.ROTATE_90_COUNTERCLOCKWISE
    return np.asarray(cv2.rotate(image, turn, into), np.uint8)


def unfit_labels(labels: Labels, size: tuple[int, int], void: int, fit: Fit = "stretch") -> Labels:
    """Labels back at the picture's ``size`` (width, height), nearest neighbour; void where ``crop`` saw nothing."""
    if labels.shape[1::-1] == size:
        return labels
    width, height = size
    if fit == "stretch":
        return np.asarray(cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    top, left, seen_height, seen_width = middle((height, width), (labels.shape[1], labels.shape[0]))
    full = np.full((height, width), void, np.uint8)
    seen = cv2.resize(labels, (seen_width, seen_height), interpolation=cv2.INTER_NEAREST)
    full[top : top + seen_height, left : left + seen_width] = seen
    return full


def scaled(image: Image, size: tuple[int, int]) -> Image:
    """The picture at ``size`` (width, height), in between bilinearly."""
    return image if image.shape[1::-1] == size else np.asarray(cv2.resize(image, size), np.uint8)


def nearest(image: Image, size: tuple[int, int]) -> Image:
    """The picture at ``size`` (width, height), every pixel one that was there."""
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_NEAREST), np.uint8)


def thumbnail(image: Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Small and grey: uint8 [h,w] for ``size`` (width, height)."""
    return np.asarray(cv2.resize(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), size, interpolation=cv2.INTER_AREA), np.uint8)


def without_alpha(image: NDArray[np.uint8], into: Image) -> None:
    """uint8 [H,W,3] of [H,W,4] in the same order."""
    cv2.cvtColor(image, cv2.COLOR_BGRA2BGR, into)


def unfit_image(image: Image, size: tuple[int, int], fit: Fit = "stretch") -> Image:
    """A picture back at its source's ``size`` (width, height); black where ``crop`` saw nothing."""
    if fit == "stretch":
        return fit_image(image, size)
    top, left, height, width = middle((size[1], size[0]), (image.shape[1], image.shape[0]))
    whole = np.zeros((size[1], size[0], 3), np.uint8)
    whole[top : top + height, left : left + width] = fit_image(image, (width, height))
    return whole


def middle(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """(top, left, height, width) of the largest middle part of ``shape`` (H, W) with the aspect of ``size`` (w, h)."""
    height, width = shape
    part_width = min(width, max(1, round(height * size[0] / size[1])))
    part_height = min(height, max(1, round(width * size[1] / size[0])))
    return (height - part_height) // 2, (width - part_width) // 2, part_height, part_width


def seen_size(size: tuple[int, int], source_size: tuple[int, int], fit: Fit) -> tuple[int, int]:
    """(width, height) at which a picture of network ``size`` has the camera's proportions again. Whichever side must
    grow grows, so that nothing of the network's resolution is lost.
    """
    width, height = size
    seen_width = round(height * source_size[0] / source_size[1])
    if fit == "crop" or abs(seen_width - width) <= 1:
        return width, height
    if seen_width > width:
        return seen_width, height
    return width, round(width * source_size[1] / source_size[0])
