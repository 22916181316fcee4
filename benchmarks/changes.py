"""Twelve changes of a labelled picture, fixed ones: light, weather, lens, stream, and how the camera is mounted."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from edge_segnet.core.types import Image, Labels

Change = Callable[[Image, Labels], tuple[Image, Labels]]


def _picture(change: Callable[[Image], Image]) -> Change:
    return lambda image, labels: (change(image), labels)


def _gamma(value: float) -> Callable[[Image], Image]:
    table = (255.0 * (np.arange(256) / 255.0) ** value).round().astype(np.uint8)
    return lambda image: np.asarray(cv2.LUT(image, table), np.uint8)


def _night(image: Image) -> Image:
    """A fifth of the light, and the sensor's noise."""
    noise = np.random.default_rng(1).normal(0, 4, image.shape)
    return np.asarray(np.clip(image * 0.2 + noise, 0, 255), np.uint8)


def _fog(image: Image) -> Image:
    """Grey, 70 % above the horizon and 20 % at the lower edge."""
    rows = np.interp(np.arange(image.shape[0]) / image.shape[0], [0.4, 1.0], [0.7, 0.2])[:, None, None]
    return np.asarray(image * (1 - rows) + 200 * rows, np.uint8)


def _rain(image: Image) -> Image:
    """400 bright streaks, and less contrast."""
    veil = np.zeros(image.shape[:2], np.uint8)
    height, width = image.shape[:2]
    for place in np.random.default_rng(2).uniform(0, 1, (400, 2)):
        at = int(place[0] * width), int(place[1] * height)
        cv2.line(veil, at, (at[0] + width // 120, at[1] + height // 18), (150,), 1)
    veil = np.asarray(cv2.GaussianBlur(veil, (0, 0), 0.8), np.uint8)
    return np.asarray(np.clip(image * 0.8 + 20 + veil[..., None] * 0.7, 0, 255), np.uint8)


def _glare(image: Image) -> Image:
    """A low sun right of the middle."""
    height, width = image.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    near = np.exp(-((columns - 0.6 * width) ** 2 + (rows - 0.3 * height) ** 2) / (2 * (0.18 * width) ** 2))
    lit = np.clip(image + 200.0 * near[..., None], 0, 255)
    return np.asarray(lit, np.uint8)


def _noise(image: Image) -> Image:
    noise = np.random.default_rng(0).normal(0, 10, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _jpeg(image: Image) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _occlusion(image: Image) -> Image:
    """Five dark drops on the lens, 3 % of the picture; the labels stay."""
    covered = image.copy()
    height, width = image.shape[:2]
    for x, y in ((0.2, 0.3), (0.45, 0.6), (0.7, 0.2), (0.8, 0.7), (0.3, 0.8)):
        cv2.circle(covered, (int(x * width), int(y * height)), int(0.05 * width), (60, 60, 60), cv2.FILLED)
    return np.asarray(covered, np.uint8)


def _wide(image: Image, labels: Labels) -> tuple[Image, Labels]:
    """The middle 3/4 of the rows, as a 16:9 camera would see them; the network gets them stretched."""
    rows = slice(image.shape[0] // 8, image.shape[0] - image.shape[0] // 8)
    return np.ascontiguousarray(image[rows]), np.ascontiguousarray(labels[rows])


def _upside_down(image: Image, labels: Labels) -> tuple[Image, Labels]:
    return np.ascontiguousarray(image[::-1, ::-1]), np.ascontiguousarray(labels[::-1, ::-1])


CHANGES: dict[str, Change] = {
    "gamma 0.6": _picture(_gamma(0.6)),
    "gamma 1.6": _picture(_gamma(1.6)),
    "night: a fifth of the light": _picture(_night),
    "fog": _picture(_fog),
    "rain": _picture(_rain),
    "glare": _picture(_glare),
    "blur, sigma 1.5": _picture(lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.uint8)),
    "noise, sigma 10": _picture(_noise),
    "JPEG 40": _picture(_jpeg),
    "drops on the lens": _picture(_occlusion),
    "another aspect: 16:9": _wide,
    "mounted upside down": _upside_down,
}
