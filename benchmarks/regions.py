"""What regions, rules and the filter cost per frame, and what the filter does to flicker and accuracy."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.figure import Figure
from edge_segnet.backends.model import open_backend
from edge_segnet.core.types import Frame, Labels, Segmentation
from edge_segnet.graph import card as cards
from edge_segnet.graph.card import resized
from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.events import EventLog
from edge_segnet.scene.interpreter import Network, Postprocessor
from edge_segnet.sinks.registry import configured
from edge_segnet.sources.synthetic import SyntheticSource

SIZE: Final = (480, 360)
FRAMES: Final = 90
ROUNDS: Final = 4
BOUND_MS: Final = 0.5
POLYGONS: Final = {
    "ahead": [[0.3, 0.95], [0.7, 0.95], [0.55, 0.6], [0.45, 0.6]],
    "left": [[0.0, 1.0], [0.3, 1.0], [0.45, 0.55], [0.0, 0.55]],
    "right": [[0.7, 1.0], [1.0, 1.0], [1.0, 0.55], [0.55, 0.55]],
    "far": [[0.2, 0.6], [0.8, 0.6], [0.8, 0.3], [0.2, 0.3]],
}
FILTERS: Final[dict[str, Any]] = {
    "majority of 3": {},
    "majority of 5": {"frames": 5},
    "exponential 0.15 s": {"method": "exponential"},
}
Drive = list[tuple[Frame, Segmentation, Labels]]


def run(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """Costs are CPU time of one thread, medians over a rendered drive that the model has segmented."""
    network, drive = _drive(model)
    plain = {name: {"polygon": polygon} for name, polygon in POLYGONS.items()}
    rules = [{"name": name, "region": name, "class": "Road", "below": 0.2, "frames": 3} for name in POLYGONS]
    free = {name: {**region, "free": {"classes": ["Road", "Pavement"], "sectors": 5}} for name, region in plain.items()}
    figures = [
        Figure("regions: nothing but the flicker figure", _cost_ms(network, drive), "ms"),
        Figure("regions: 4 with a rule each", _cost_ms(network, drive, regions=plain, rules=rules), "ms", BOUND_MS),
        Figure(
            "regions: the same with free distance", _cost_ms(network, drive, regions=free, rules=rules), "ms", BOUND_MS
        ),
    ]
    flicker, accuracy = _quality(network, drive)
    figures += [
        Figure("steady off: flicker", 1e4 * flicker, "of 10,000 pixels"),
        Figure("steady off: pixels right", 100 * accuracy, "%"),
    ]
    for name, steady in FILTERS.items():
        flicker, accuracy = _quality(network, drive, steady=steady)
        figures += [
            Figure(f"{name}: cost", _cost_ms(network, drive, steady=steady), "ms"),
            Figure(f"{name}: flicker", 1e4 * flicker, "of 10,000 pixels"),
            Figure(f"{name}: pixels right", 100 * accuracy, "%"),
        ]
    return figures


def _drive(model: str) -> tuple[Network, Drive]:
    """A rendered drive at 30 frames a second, segmented, with its truth."""
    onnx_model = resized(cards.load(model), SIZE)
    backend, source = open_backend(onnx_model, "onnx"), SyntheticSource(SIZE, paced=False)
    drive = []
    for seq in range(FRAMES):
        frame = source.read()
        assert frame is not None
        frame = dataclasses.replace(frame, captured_ns=seq * 33_333_333)
        drive.append((frame, backend.infer([frame])[0], source.truth(frame.seq)))
    backend.close()
    return Network(onnx_model.card.classes, SIZE, onnx_model.card.fit), drive


def _refiner(network: Network, sections: dict[str, Any]) -> Postprocessor:
    mount = {"height_m": 1.4, "focal_px": 400}
    cameras = {"front": {"source": "synthetic://drive", "mount": mount}}
    config = configured(cameras=cameras, **sections)
    return Postprocessor("front", config, network, Alarms(EventLog(None)))


def _cost_ms(network: Network, drive: Drive, **sections: Any) -> float:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        refine = _refiner(network, sections)
        times = []
        for _ in range(ROUNDS):
            for frame, segmentation, _ in drive:
                began = time.thread_time_ns()
                refine(frame, segmentation)
                times.append(time.thread_time_ns() - began)
    finally:
        cv2.setNumThreads(threads)
    return float(np.median(times)) / 1e6


def _quality(network: Network, drive: Drive, **sections: Any) -> tuple[float, float]:
    """(flicker after the filter, share of the pixels whose class is the truth's)."""
    refine = _refiner(network, sections)
    flickers, right, known = [], 0, 0
    for frame, segmentation, truth in drive:
        refined = refine(frame, segmentation)
        assert refined.flicker is not None
        flickers.append(refined.flicker.raw if refined.flicker.steady is None else refined.flicker.steady)
        labelled = truth < len(network.classes)
        right += int(np.count_nonzero((refined.segmentation.labels == truth) & labelled))
        known += int(np.count_nonzero(labelled))
    return float(np.mean(flickers[FRAMES // 3 :])), right / known
