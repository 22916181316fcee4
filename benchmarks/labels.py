"""``labels lint`` on a rendered data set of 480x360 PNGs; a picture with its label image counts as one."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure
from edge_segnet.core.classes import CAMVID_11
from edge_segnet.data import dataset
from edge_segnet.data.labels.lint import collect, lint
from edge_segnet.data.pairs import find_splits

PICTURES = 240
ROUNDS = 5


def run(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """Reading, decoding, every check. The best of five rounds: other work on the machine can only slow it down."""
    root = folder / "rendered"
    dataset.init(root, CAMVID_11, rendered=PICTURES)
    rates, costs = [], []
    for _ in range(ROUNDS):
        started, spent = time.perf_counter(), time.process_time()
        work, lonely = collect(find_splits(root))
        report = lint(work, lonely, CAMVID_11, CAMVID_11.void)
        rates.append(len(work) / (time.perf_counter() - started))
        costs.append(len(work) / (time.process_time() - spent))
    assert report.worst != "error"
    return [
        Figure("labels lint, 480x360", max(rates), "images/s", 150.0, ">="),
        Figure("labels lint, per second of processor time", median(costs), "images"),
    ]
