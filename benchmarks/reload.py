"""What a reload costs while it happens: 16 loops on one backend that takes half a second for a frame."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.figure import Figure
from benchmarks.serving import MemoryCamera, at_work
from edge_segnet.board.notify import Notifier
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.types import Done, Fit, Frame, Result, Segmentation, View
from edge_segnet.service.life import Daemon
from edge_segnet.service.model import Setup
from edge_segnet.service.reload import Origin
from edge_segnet.settings.schema import CameraConfig, Config
from edge_segnet.sinks.registry import configured

CAMERAS: Final = 16
INFER_S: Final = 0.5
AROUND_S: Final = 1.0
"""Before and after the reload, so that its own ticks are among those that are measured."""
MOST_MS: Final = 50.0


class OneAtATime:
    """A backend that takes its time for every frame, whoever asks."""

    name = "slow"
    max_batch = 1

    def __init__(self, size: tuple[int, int], classes: ClassMap) -> None:
        self.input_size, self.classes = size, classes
        self._lock = threading.Lock()

    def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """Every pixel is of the first class."""
        with self._lock:
            time.sleep(INFER_S)
        width, height = self.input_size
        labels = np.zeros((height, width), np.uint8)
        counts = np.bincount(labels.ravel(), minlength=len(self.classes) + 1).astype(np.int64)
        return [Segmentation(labels, counts, None, {"network": 1e3 * INFER_S}, classes=self.classes) for _ in frames]

    def submit(self, frames: Sequence[Frame]) -> Done:
        """At once."""
        return Done(self.infer(frames))

    def close(self) -> None:
        """Nothing is held."""


class Timed(Daemon):
    """Notes how long the main thread was away from its wait."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.ticks_ms: list[float] = []

    def _tick(self) -> None:
        started = time.perf_counter()
        super()._tick()
        self.ticks_ms.append(1e3 * (time.perf_counter() - started))


class Seen:
    """A sink that notes what each result was made with."""

    def __init__(self) -> None:
        self.results: list[tuple[str, View]] = []

    def publish(self, result: Result) -> None:
        """Keep it."""
        self.results.append((result.frame.camera, result.view))

    def status(self) -> dict[str, Any]:
        """Nothing to say."""
        return {}

    def close(self) -> None:
        """Nothing is held."""


def settings(model: str, smooth_s: float) -> Config:
    """One number is what changes."""
    region = {"polygon": [[0.3, 0.95], [0.7, 0.95], [0.5, 0.6]], "smooth_s": smooth_s}
    cameras = {f"c{number}": {"source": str(number)} for number in range(CAMERAS)}
    return configured(model=model, backend="onnx", http=None, cameras=cameras, regions={"ahead": region})


def run(model: str, _folder: Path) -> list[Figure]:
    """Change one ``smooth_s``."""
    asked = settings(model, 1.0)
    picture = np.zeros((120, 160, 3), np.uint8)

    def opener(_config: CameraConfig, _name: str, _size: tuple[int, int], _fit: Fit) -> MemoryCamera:
        return MemoryCamera([picture], 0.1)

    seen = Seen()
    daemon = Timed(asked, Origin(lambda: asked), Notifier({}), {"seen": seen}, opener)
    with at_work(daemon):
        _slow_down(daemon, asked)
        time.sleep(AROUND_S)
        daemon.ticks_ms.clear()
        time.sleep(AROUND_S)
        asked, began = settings(model, 2.0), time.monotonic()
        daemon.reload()
        while daemon.state.reload is None:
            time.sleep(0.005)
        took_s, known = time.monotonic() - began, len(seen.results)
        time.sleep((CAMERAS + 2) * INFER_S)
        ticks_ms, new = list(daemon.ticks_ms), daemon.state.view
    late = Counter(camera for camera, view in seen.results[known:] if view is not new)
    name = f"reload, {CAMERAS} loops at {INFER_S:g} s a frame"
    return [
        Figure(f"{name}: longest turn of the main thread", max(ticks_ms), "ms", MOST_MS),
        Figure(f"{name}: until it is told to be done", took_s, "s", CAMERAS * INFER_S),
        Figure(f"{name}: frames of a camera with the old settings afterwards", max(late.values(), default=0), "", 1.0),
    ]


def _slow_down(daemon: Daemon, config: Config) -> None:
    loaded = daemon.state.loaded
    assert loaded is not None
    slow = replace(loaded, backend=OneAtATime(loaded.card.size, loaded.card.classes))
    for camera in daemon.state.running.values():
        camera.take(camera.change(Setup(config, slow)))
    daemon.state.loaded = slow
