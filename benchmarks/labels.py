"""``labels lint`` on a rendered data set of 480x360 PNGs; a picture with its label image counts as one."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure
from edge_segnet import dataset
from edge_segnet.classes import CAMVID_11
from edge_segnet.labels.lint import collect, lint
from edge_segnet.pairs import find_splits

PICTURES = 240
ROUNDS = 3


def run(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """Reading, decoding, every check; median of three."""
    root = folder / "rendered"
    dataset.init(root, CAMVID_11, rendered=PICTURES)
    rates = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work, lonely = collect(find_splits(root))
        report = lint(work, lonely, CAMVID_11, CAMVID_11.void)
        rates.append(len(work) / (time.perf_counter() - started))
    assert report.worst != "error"
    return [Figure("labels lint, 480x360", median(rates), "images/s", 150.0, ">=")]
