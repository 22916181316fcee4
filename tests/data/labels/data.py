"""Small data sets of rendered streets, sound or with one fault."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_segnet.pictures.files import write_image
from edge_segnet.street import Street

SIZE = (160, 120)
Image = NDArray[np.uint8]


@lru_cache
def rendered(seed: int, count: int = 8) -> list[tuple[Image, Image]]:
    """Pictures and labels of one street, a second and a half apart."""
    street = Street(SIZE, seed)
    pairs = [street.render(45 * index) for index in range(count)]
    return [(image.copy(), labels.copy()) for image, labels in pairs]


def pairs(split: str) -> list[tuple[Image, Image]]:
    return [(image.copy(), labels.copy()) for image, labels in rendered({"train": 1, "val": 2}[split])]


def write(root: Path, splits: dict[str, list[tuple[Image, Image]]], suffix: str = ".png") -> Path:
    """``root/SPLIT/images`` and ``labels``."""
    for split, content in splits.items():
        for index, (image, labels) in enumerate(content):
            write_image(root / split / "images" / f"{split}{index:02d}.png", image)
            write_image(root / split / "labels" / f"{split}{index:02d}{suffix}", labels)
    return root


def sound() -> dict[str, list[tuple[Image, Image]]]:
    return {split: pairs(split) for split in ("train", "val")}
