"""``python -m benchmarks.robustness --images DIR --labels DIR [--model NAME] [--every N]``: a model under twelve fixed
changes, as a safety engineer would ask: mean IoU, calibration and flicker under each; every class; every distance; and
the worst frames as a contact sheet for somebody to look at. Frames in a row are a clip; flicker is measured on those.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.changes import CHANGES, Change
from benchmarks.worst import sheet
from edge_segnet.backends.model import BackendOptions, open_model
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.reliability import Tally, tally
from edge_segnet.core.stats import Scores, confusion, scores
from edge_segnet.core.types import Backend, Fit, Frame, Image, Labels
from edge_segnet.data.pairs import Pair, find_pairs
from edge_segnet.pictures.files import write_image
from edge_segnet.pictures.shape import fit_image, unfit_labels
from edge_segnet.scene.smoothing import FlickerMeter

WANTED = 0.85
"""Share of the clean mean IoU that every change should keep."""
CLIP = 30
"""Frames in a row on which flicker is measured, taken as 1/15 s apart."""
BANDS = {"above the horizon": (0.0, 0.4), "far": (0.4, 0.55), "middle": (0.55, 0.75), "near": (0.75, 1.0)}
"""Distance by rows of the picture: on flat ground a row is a distance."""


@dataclass(frozen=True, eq=False)
class Found:
    """What was seen under one change."""

    scores: Scores
    bands: dict[str, Scores]
    sureness: Tally
    unfamiliar: float | None
    flicker: float
    frames: list[float]
    """Mean IoU of every picture."""


class Bench:
    """A model and labelled pictures."""

    def __init__(self, model: str, pairs: Sequence[Pair], every: int) -> None:
        opened = open_model(model, None, "onnx", BackendOptions(spinning=True))
        self.backend: Backend = opened.backend
        self.fit: Fit = opened.card.fit
        self.classes: ClassMap = opened.card.classes
        self.pairs, self.clip = list(pairs[::every]), list(pairs[:CLIP])

    def see(self, image: Image) -> tuple[Labels, Labels, float | None]:
        """Labels and margins at the picture's size, and how unfamiliar it is."""
        frame = Frame(fit_image(image, self.backend.input_size, self.fit), image, 0, 0, 0.0, "files")
        found = self.backend.infer([frame])[0]
        size = frame.source_size
        assert found.margins is not None
        labels = unfit_labels(found.labels, size, len(self.classes), self.fit)
        return labels, unfit_labels(found.margins, size, 0, self.fit), found.unfamiliar

    def under(self, change: Change) -> Found:
        """All pictures, changed."""
        count = len(self.classes)
        whole: NDArray[np.int64] = np.zeros((count, count + 1), np.int64)
        bands = {name: whole.copy() for name in BANDS}
        sureness, strange, frames = Tally(np.zeros((256, 2), np.int64)), [], []
        for pair in self.pairs:
            image, truth = change(*pair.read(count, self.classes.void))
            labels, margins, unfamiliar = self.see(image)
            one = confusion(truth, labels, count)
            whole += one
            frames.append(scores(one).mean_iou)
            sureness += tally(truth, labels, margins, count)
            strange += [] if unfamiliar is None else [unfamiliar]
            for name, (top, bottom) in BANDS.items():
                rows = slice(int(top * len(truth)), int(bottom * len(truth)))
                bands[name] += confusion(truth[rows], labels[rows], count)
        by_band = {name: scores(matrix) for name, matrix in bands.items()}
        mean = float(np.mean(strange)) if strange else None
        return Found(scores(whole), by_band, sureness, mean, self._flicker(change), frames)

    def _flicker(self, change: Change) -> float:
        meter, shares = FlickerMeter(), [0.0]
        for seq, pair in enumerate(self.clip):
            image, _ = change(*pair.read(len(self.classes), self.classes.void))
            shares.append(meter.observe(self.see(image)[0], seq * 1_000_000_000 // 15))
        return shares[-1]


def main() -> int:
    """Exit code 7 if a change costs more than wanted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robustness", description=__doc__)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--model", default="segnet-lite")
    parser.add_argument("--every", type=int, default=1, help="take every Nth picture")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--sheet", type=Path, help="write the worst 20 pictures there, as a PNG")
    arguments = parser.parse_args()
    bench = Bench(arguments.model, find_pairs(arguments.images, arguments.labels), arguments.every)
    found = {"clean": bench.under(lambda image, labels: (image, labels))}
    found |= {name: bench.under(change) for name, change in CHANGES.items()}
    for table in (_changes(found), _by_class(found, bench.classes), _by_distance(found)):
        Console(width=140).print(table)
    if arguments.sheet is not None:
        write_image(arguments.sheet, sheet(bench.pairs, found["clean"].frames, bench.see, bench.classes))
    if arguments.json is not None:
        document = {name: _document(one, bench.classes) for name, one in found.items()}
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    kept = min(one.scores.mean_iou for one in found.values()) / found["clean"].scores.mean_iou
    return 0 if kept >= WANTED else 7


def _changes(found: dict[str, Found]) -> Table:
    table = Table(
        "change", "mean IoU", "of clean", "global", "calibration error", "AUROC of wrong", "unfamiliar", "flicker"
    )
    clean = found["clean"].scores.mean_iou
    for name, one in found.items():
        mean = one.scores.mean_iou
        table.add_row(
            name,
            f"{100 * mean:.1f} %",
            f"{100 * mean / clean:.0f} %",
            f"{100 * one.scores.global_accuracy:.1f} %",
            f"{100 * one.sureness.calibration_error():.1f} %",
            f"{one.sureness.auroc_of_wrong():.3f}",
            "-" if one.unfamiliar is None else f"{one.unfamiliar:.2f}",
            f"{100 * one.flicker:.2f} %",
        )
    return table


def _by_class(found: dict[str, Found], classes: ClassMap) -> Table:
    table = Table("IoU, %", *classes.names)
    for name, one in found.items():
        table.add_row(name, *(f"{100 * value:.0f}" for value in one.scores.iou))
    return table


def _by_distance(found: dict[str, Found]) -> Table:
    table = Table("mean IoU, %", *BANDS)
    for name, one in found.items():
        table.add_row(name, *(f"{100 * one.bands[band].mean_iou:.1f}" for band in BANDS))
    return table


def _document(one: Found, classes: ClassMap) -> dict[str, object]:
    return {
        "mean_iou": one.scores.mean_iou,
        "global_accuracy": one.scores.global_accuracy,
        "iou": dict(zip(classes.names, one.scores.iou, strict=True)),
        "distance": {band: score.mean_iou for band, score in one.bands.items()},
        "calibration_error": one.sureness.calibration_error(),
        "auroc_of_wrong": one.sureness.auroc_of_wrong(),
        "unfamiliar": one.unfamiliar,
        "flicker": one.flicker,
    }


if __name__ == "__main__":
    sys.exit(main())
