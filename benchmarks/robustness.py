"""``python -m benchmarks.robustness --images DIR --labels DIR [--model NAME]``: mean IoU under fixed changes of light,
colour, focus, noise and compression, each against the unchanged pictures.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from edge_segnet.backends.model import BackendOptions, open_backend
from edge_segnet.core.types import Image
from edge_segnet.data.labels.alignment import same
from edge_segnet.data.pairs import Pair, find_pairs
from edge_segnet.graph import card as cards
from edge_segnet.offline.evaluate import evaluate
from edge_segnet.pictures.files import read_image, write_image

WANTED = 0.8
"""Share of the clean mean IoU that every change should keep."""


def _gamma(value: float) -> Callable[[Image], Image]:
    table = (255.0 * (np.arange(256) / 255.0) ** value).round().astype(np.uint8)
    return lambda image: np.asarray(cv2.LUT(image, table), np.uint8)


def _gains(blue: float, red: float) -> Callable[[Image], Image]:
    gains = np.array([blue, 1.0, red])
    return lambda image: np.clip(image * gains, 0, 255).astype(np.uint8)


def _noise(image: Image) -> Image:
    rng = np.random.default_rng(0)
    return np.clip(image + rng.normal(0, 10, image.shape), 0, 255).astype(np.uint8)


def _jpeg(image: Image) -> Image:
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


CHANGES: dict[str, Callable[[Image], Image]] = {
    "clean": lambda image: image,
    "gamma 0.6": _gamma(0.6),
    "gamma 1.6": _gamma(1.6),
    "warmer: red +20 %, blue -20 %": _gains(0.8, 1.2),
    "colder: red -20 %, blue +20 %": _gains(1.2, 0.8),
    "Gaussian blur, sigma 1.5": lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.uint8),
    "Gaussian noise, sigma 10": _noise,
    "JPEG 40": _jpeg,
}


def main() -> int:
    """Exit code 7 if a change costs more than wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robustness", description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--model", default="segnet-lite")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    pairs = find_pairs(arguments.images, arguments.labels)
    scores = {name: _mean_iou(arguments.model, pairs, change) for name, change in CHANGES.items()}
    table = Table("change", "mean IoU", "of clean")
    for name, value in scores.items():
        table.add_row(name, f"{100 * value:.1f} %", f"{100 * value / scores['clean']:.1f} %")
    Console().print(table)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")
    return 0 if min(scores.values()) >= WANTED * scores["clean"] else 7


def _mean_iou(model: str, pairs: list[Pair], change: Callable[[Image], Image]) -> float:
    onnx_model = cards.load(model)
    backend = open_backend(onnx_model, "onnx", BackendOptions(spinning=True))
    with tempfile.TemporaryDirectory() as folder:
        changed = []
        for pair in pairs:
            picture = Path(folder) / f"{pair.image.stem}.png"
            write_image(picture, change(read_image(pair.image)))
            changed.append(Pair(picture, pair.labels))
        classes = onnx_model.card.classes
        return evaluate(changed, backend, onnx_model.card.fit, same(classes, classes.void)).scores.mean_iou


if __name__ == "__main__":
    sys.exit(main())
