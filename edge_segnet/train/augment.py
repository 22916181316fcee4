"""Augmentation strong enough to survive another camera. uint8 BGR and label ids in, the same out; numpy and cv2 only.

Geometry is one affine warp (scale, small rotation, flip, crop), exposure is one 256-entry table per channel: both
cost a millisecond, so that one worker keeps up with the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.types import Image, Labels
from edge_segnet.train.weather import spoiled


@dataclass(frozen=True)
class Recipe:
    """Ranges of the random changes; chosen on CamVid ``val``."""

    scale: tuple[float, float] = (0.5, 2.0)
    rotation_deg: float = 3.0
    gamma: tuple[float, float] = (0.6, 1.7)
    brightness: tuple[float, float] = (0.35, 1.5)
    channel_gain: float = 0.2
    saturation: tuple[float, float] = (0.4, 1.5)
    rare_crop: float = 0.4
    """Share of crops centred on a pixel of a randomly drawn class, which is how poles and cyclists are seen often."""
    upside_down: float = 0.1
    """Share of samples that are turned by half a turn: cameras hang upside down under roofs and bumpers."""
    weather: float = 0.25
    """Share of samples with fog, rain, glare, night, defocus or dirt."""
    paste: float = 0.35
    """Share of samples into which things of the rare classes of another sample are pasted."""


@dataclass(frozen=True)
class View:
    """Sizes (width, height): ``network``, to which the service stretches a picture, and ``crop``, what training sees
    of it at a time."""

    network: tuple[int, int]
    crop: tuple[int, int]


def spoil(image: Image, rng: np.random.Generator, recipe: Recipe) -> Image:
    """Light, weather and camera; labels stay true."""
    image = _expose(image, rng, recipe)
    if rng.random() < recipe.weather:
        image = spoiled(image, rng)
    return _degrade(image, rng)


def paste(image: Image, labels: Labels, other: tuple[Image, Labels], rare: list[int], rng: np.random.Generator) -> None:
    """Copy the pixels of some of the ``rare`` classes that ``other`` shows into the pair, in place; all of one size."""
    there = [name for name in rare if (other[1] == name).any()]
    if not there:
        return
    chosen = rng.permutation(there)[: int(rng.integers(1, len(there) + 1))]
    mask = np.isin(other[1], chosen)
    image[mask], labels[mask] = other[0][mask], other[1][mask]


def warp(
    image: Image, labels: Labels, view: View, void: int, rng: np.random.Generator, recipe: Recipe
) -> tuple[Image, Labels]:
    """A random view of the pair, at ``view.crop``; void where the view leaves the picture."""
    height, width = labels.shape
    scale = np.exp(rng.uniform(*np.log(recipe.scale)))
    stretch = np.array(view.network) / (width, height) * scale
    angle = np.deg2rad(rng.uniform(-recipe.rotation_deg, recipe.rotation_deg))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    turn = -1.0 if rng.random() < recipe.upside_down else 1.0
    linear = rotation @ np.diag(stretch * (mirror * turn, turn))
    crop = np.array(view.crop)
    centre = _centre(labels, void, crop / stretch, rng, recipe)
    matrix = np.column_stack([linear, crop / 2 - linear @ centre])
    grey = (127, 127, 127)
    warped = cv2.warpAffine(image, matrix, view.crop, flags=cv2.INTER_LINEAR, borderValue=grey)
    ids = cv2.warpAffine(labels, matrix, view.crop, flags=cv2.INTER_NEAREST, borderValue=(void,))
    return np.asarray(warped, np.uint8), np.asarray(ids, np.uint8)


def _centre(
    labels: Labels, void: int, seen: NDArray[np.float64], rng: np.random.Generator, recipe: Recipe
) -> NDArray[np.float64]:
    """Where to look: anywhere, or near a pixel of a class drawn uniformly; inside the picture where it fits."""
    height, width = labels.shape
    centre = np.array([rng.uniform(0, width), rng.uniform(0, height)])
    if rng.random() < recipe.rare_crop:
        present = np.flatnonzero(np.bincount(labels.ravel(), minlength=void + 1)[:void])
        if present.size:
            pixels = np.flatnonzero(labels.ravel() == rng.choice(present))
            row, column = divmod(int(rng.choice(pixels)), width)
            centre = np.array([column, row]) + rng.uniform(-0.3, 0.3, 2) * seen
    for axis, length in enumerate((width, height)):
        half = min(seen[axis], length) / 2
        centre[axis] = np.clip(centre[axis], half, length - half)
    return centre


def _expose(image: Image, rng: np.random.Generator, recipe: Recipe) -> Image:
    saturation = rng.uniform(*recipe.saturation)
    if rng.random() < 0.7:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        image = np.asarray(cv2.addWeighted(image, saturation, grey, 1.0 - saturation, 0.0), np.uint8)
    if rng.random() < 0.2:
        return image
    gain = 1.0 + rng.uniform(-recipe.channel_gain, recipe.channel_gain, 3)
    gain *= np.exp(rng.uniform(*np.log(recipe.brightness)))
    gamma = np.exp(rng.uniform(*np.log(recipe.gamma)))
    levels = (np.arange(256) / 255.0)[:, None] ** gamma * gain * 255.0
    table = np.clip(levels + rng.uniform(-12.0, 12.0), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table.reshape(1, 256, 3)), np.uint8)


def _degrade(image: Image, rng: np.random.Generator) -> Image:
    """What cheap cameras and streams do: blur, noise, JPEG."""
    if rng.random() < 0.2:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)), np.uint8)
    if rng.random() < 0.25:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(2, 14))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 80))])
        image = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return image
