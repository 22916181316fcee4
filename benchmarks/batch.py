"""Four cameras on one network: all frames against one camera's, and how alike the cameras fare."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure
from benchmarks.serving import bare_rate, rendered, serving
from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.backends.openvino import OpenVinoBackend, installed
from edge_segnet.core.stats import percentile
from edge_segnet.core.types import Backend, Frame, Image
from edge_segnet.graph import card as cards

NAMES = ("front", "left", "right", "rear")
ROUNDS = 3
BARE_S, SERVED_S, SETTLE_S = 3.0, 12.0, 1.5
LAPS = 10
OVERLOAD = 1.2
"""A camera's rate over the network's."""


def run(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """One camera, then four, each faster than the network; in turns."""
    images = rendered(model)
    period_s = 1.0 / (OVERLOAD * bare_rate(model, images, BARE_S))
    ratios, shares = [], []
    ages_ms: dict[str, list[float]] = {name: [] for name in NAMES}
    for _ in range(ROUNDS):
        (single,) = _served(model, images, period_s, NAMES[:1]).values()
        found = _served(model, images, period_s, NAMES)
        counts = [len(ages) for ages in found.values()]
        ratios.append(sum(counts) / len(single))
        shares.append(max(counts) / min(counts))
        for name, ages in found.items():
            ages_ms[name] += ages
    # Of all rounds together: in one round a camera has so few frames that its p99 is its worst one.
    late_ms = [percentile(ages, 0.99) for ages in ages_ms.values()]
    return [
        *_at_once(model, images),
        Figure("four cameras on one CPU network / one camera: frames/s in all", median(ratios), "x", 1.0, ">="),
        Figure("four cameras on one CPU network: p99 age, oldest / youngest", max(late_ms) / min(late_ms), "x", 1.2),
        Figure("four cameras on one CPU network: frames/s, most / least", median(shares), "x", 1.1),
        Figure("four cameras on one CPU network: p99 age of the oldest", max(late_ms), "ms"),
    ]


def _at_once(model: str, images: Sequence[Image]) -> list[Figure]:
    """One graph for four frames against four times the graph for one, in turns."""
    made, figures = cards.load(model), []
    frames = [Frame(image, None, seq, 0, 0.0, "batch") for seq, image in enumerate(images[: len(NAMES)])]
    for runtime, kind in (("ONNX Runtime", OnnxBackend), ("OpenVINO", OpenVinoBackend)):
        if kind is OpenVinoBackend and not installed():
            continue
        took_s: dict[Backend, list[float]] = {kind(made): [], kind(made, batch=len(NAMES)): []}
        for _ in range(1 + LAPS):
            for backend, times in took_s.items():
                began = time.perf_counter()
                backend.infer(frames)
                times.append(time.perf_counter() - began)
        alone_s, together_s = (median(times[1:]) for times in took_s.values())
        for backend in took_s:
            backend.close()
        figures.append(Figure(f"{runtime}: four frames at once / one by one, frames/s", alone_s / together_s, "x"))
    return figures


def _served(model: str, images: Sequence[Image], period_s: float, names: Sequence[str]) -> dict[str, list[float]]:
    """The age (ms) of each frame of each camera, of ``SERVED_S``."""
    settings = {"backend": "onnx", "cameras": {name: {"source": "0"} for name in names}}
    with serving(model, images, period_s, more=settings) as (_, recorder, _url):
        time.sleep(SETTLE_S)
        first = len(recorder.cameras)
        time.sleep(SERVED_S)
        found = list(zip(recorder.cameras, recorder.ages_ms, strict=False))[first:]
    return {name: [age_ms for camera, age_ms in found if camera == name] for name in names}
