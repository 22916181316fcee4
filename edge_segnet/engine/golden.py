"""The self-test's picture: a stored frame, and what the CPU in float32 sees in it."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

import numpy as np

from edge_segnet.core.types import Fit, Image, Labels
from edge_segnet.pictures.files import encode, read_image, read_only
from edge_segnet.pictures.shape import fit_image

LEAST_AGREEMENT: Final = 0.99
"""Share of pixels; float16 flips some labels at borders, a broken engine flips all."""


def _stored() -> Path:
    return Path(str(resources.files("edge_segnet.engine") / "golden_frame.png"))


def stored_bytes() -> bytes:
    """The stored frame's file, for its hash."""
    return _stored().read_bytes()


def golden_frame(size: tuple[int, int], fit: Fit) -> Image:
    """The stored frame (a rendered street) at network size (width, height)."""
    return read_only(fit_image(read_image(_stored()), size, fit))


def encode_labels(labels: Labels) -> bytes:
    """As the PNG that lies beside the engine."""
    return encode(labels, ".png")


def agreement(labels: Labels, golden: Labels) -> float:
    """Share of equal pixels, 0..1."""
    return float(np.mean(labels == golden))
