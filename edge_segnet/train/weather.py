"""What stands between a lens and the street: fog, rain, glare, night, defocus, dirt. uint8 [H,W,3] BGR in and out."""

from __future__ import annotations

import cv2
import numpy as np

from edge_segnet.core.types import Image


def spoiled(image: Image, rng: np.random.Generator) -> Image:
    """One of them, drawn evenly, at a random strength."""
    return WEATHER[int(rng.integers(len(WEATHER)))](image, rng)


def _fog(image: Image, rng: np.random.Generator) -> Image:
    height = image.shape[0]
    horizon, density = rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.8)
    below = np.clip((np.arange(height) / height - horizon) / (1.0 - horizon), 0.0, 1.0)
    share = (density * (1.0 - below * rng.uniform(0.3, 0.9))).astype(np.float32)[:, None, None]
    return np.asarray(image * (1.0 - share) + share * np.float32(rng.uniform(150, 235)), np.uint8)


def _rain(image: Image, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    veil = np.zeros((height, width), np.uint8)
    slant, length = rng.uniform(-0.3, 0.3), rng.uniform(8, 30)
    for x, y in rng.uniform(0, (width, height), (int(rng.integers(80, 500)), 2)):
        cv2.line(veil, (int(x), int(y)), (int(x + slant * length), int(y + length)), (255,), 1)
    veil = np.asarray(cv2.GaussianBlur(veil, (0, 0), rng.uniform(0.5, 1.2)), np.uint8)
    flat = np.asarray(cv2.addWeighted(image, rng.uniform(0.6, 0.95), image, 0.0, rng.uniform(0, 30)), np.uint8)
    return np.asarray(cv2.add(flat, (veil * rng.uniform(0.3, 0.8)).astype(np.uint8)[:, :, None].repeat(3, 2)), np.uint8)


def _glare(image: Image, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    x, y = rng.uniform(0, width), rng.uniform(-0.1, 0.7) * height
    radius = rng.uniform(0.08, 0.4) * width
    rows, columns = np.ogrid[:height, :width]
    glow = np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * radius**2)) * rng.uniform(80, 260)
    tint = np.array([rng.uniform(0.7, 1.0), rng.uniform(0.85, 1.0), 1.0])
    return np.asarray(np.clip(image + (glow[:, :, None] * tint).astype(np.float32), 0, 255), np.uint8)


def _night(image: Image, rng: np.random.Generator) -> Image:
    gain = rng.uniform(0.15, 0.5) * np.array([rng.uniform(0.7, 1.2), rng.uniform(0.8, 1.0), rng.uniform(0.8, 1.2)])
    levels = (np.arange(256) / 255.0)[:, None] ** rng.uniform(1.0, 2.0) * gain * 255.0
    dark = cv2.LUT(image, np.clip(levels, 0, 255).astype(np.uint8).reshape(1, 256, 3))
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, 8))
    return np.asarray(np.clip(dark + noise, 0, 255), np.uint8)


def _defocus(image: Image, rng: np.random.Generator) -> Image:
    radius = int(rng.integers(1, 5))
    disc = np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.float32)
    return np.asarray(cv2.filter2D(image, -1, disc / disc.sum()), np.uint8)


def _dirt(image: Image, rng: np.random.Generator) -> Image:
    """Blurred, half-transparent spots on the lens."""
    height, width = image.shape[:2]
    cover = np.zeros((height, width), np.float32)
    for _ in range(int(rng.integers(1, 6))):
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        axes = (int(rng.uniform(0.02, 0.12) * width), int(rng.uniform(0.02, 0.12) * width))
        cv2.ellipse(cover, centre, axes, rng.uniform(0, 180), 0, 360, (rng.uniform(0.5, 1.0),), -1)
    cover = np.asarray(cv2.GaussianBlur(cover, (0, 0), rng.uniform(1, 6)), np.float32)[:, :, None]
    return np.asarray(image * (1.0 - cover) + cover * rng.uniform(20, 160, 3).astype(np.float32), np.uint8)


WEATHER = (_fog, _rain, _glare, _night, _defocus, _dirt)
