"""A service without a daemon: rendered streets with their own labels, published to a sink, for its tests."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.documents import AgeDocument, DroppedDocument, StatusDocument
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import Drops, Frame, Origin, Result, Segmentation, View
from edge_segnet.scene.events import EventLog
from edge_segnet.sinks.http.settings import HttpConfig
from edge_segnet.sinks.http.sink import HttpSink
from edge_segnet.sources.synthetic import SyntheticSource
from tests.support.sinks import repeating

SIZE = (160, 120)
VIEW = View(CAMVID_11)
CAMERA = Origin("rtsp://cam/1", stale_after_s=60.0)


def drive(frames: int = 3, size: tuple[int, int] = SIZE, camera: str = "front") -> list[Result]:
    """Results whose labels are the street's own."""
    source = SyntheticSource(size, paced=False, camera=camera)
    results = []
    for _ in range(frames):
        frame = source.read()
        assert frame is not None
        results.append(segmented(frame, source.truth(frame.seq)))
    return results


def segmented(frame: Frame, labels: Any, **changes: Any) -> Result:
    """A result as the loop makes them."""
    counts = np.bincount(np.minimum(labels, len(CAMVID_11)).ravel(), minlength=len(CAMVID_11) + 1)
    stages = {"capture": 1.5, "network": 20.25}
    segmentation = Segmentation(labels, counts.astype(np.int64), 0.02, stages, classes=CAMVID_11)
    given: dict[str, Any] = {"view": VIEW, "backend": "onnx", "model": "tiny", "age_ms": 41.7, "origin": CAMERA}
    return Result(frame, segmentation, **{**given, "dropped": Drops(late=3), **changes})


class StreetService:
    """What a sink may ask, with answers that a test can set."""

    def __init__(self, *cameras: str) -> None:
        self.cameras: Mapping[str, CameraTelemetry] = {name: CameraTelemetry() for name in cameras or ("front",)}
        self.view: View | None = VIEW
        self.events = EventLog(None)
        self.ready = self.healthy = True
        self.changes: dict[str, Any] = {}
        self.camera_changes: dict[str, dict[str, Any]] = {}
        self.sink: HttpSink | None = None
        self._started = time.monotonic()

    def publish(self, result: Result) -> None:
        """As the loop does: count, then hand out."""
        self.cameras[result.frame.camera].observe(result)
        if self.sink is not None:
            self.sink.publish(result)

    def status(self) -> StatusDocument:
        """As the daemon's."""
        told = {
            "state": "running",
            "message": "",
            "ready": self.ready,
            "healthy": self.healthy,
            "uptime_s": round(time.monotonic() - self._started, 1),
            "version": "0.1.0",
            "model": "segnet-lite",
            "licence": "",
            "backend": "onnx",
            "network_size": list(SIZE),
            "fit": "stretch",
            "degraded": {},
            "cameras": {name: self._camera(name, numbers) for name, numbers in self.cameras.items()},
            "sinks": {} if self.sink is None else {"http": sink_document(self.sink.status())},
            "events": self.events.status().to_dict(),
            "board": {
                "name": None,
                "temperatures": [{"name": "cpu", "celsius": 51.5, "limit_celsius": 95.0}],
                "throttled": False,
                "throttling": [],
            },
            "reload": None,
            **self.changes,
        }
        return StatusDocument.model_validate(told)

    def _camera(self, name: str, numbers: CameraTelemetry) -> dict[str, Any]:
        ages = numbers.ages()
        return {
            "state": "running",
            "since_s": round(time.monotonic() - self._started, 1),
            "message": "",
            "source": "synthetic://drive",
            "source_size": list(SIZE),
            "flip": "none",
            "rate": None,
            "frames_per_second": round(numbers.frames_per_second(), 1),
            "camera_frames_per_second": 30.0,
            "age_ms": AgeDocument.of(ages),
            "frames": numbers.frames,
            "dropped": DroppedDocument.of(numbers.dropped),
            "stale": numbers.stale,
            "captured": numbers.frames,
            "reconnects": 0,
            "synthetic": True,
            **self.camera_changes.get(name, {}),
        }


def sink_document(told: Mapping[str, Any]) -> dict[str, Any]:
    """As the fan-out tells of a sink."""
    usual = {"state": "running", "error": None, "queue": 0}
    return {**usual, "published": 0, "dropped": 0, "failed": 0, "last_error": None, **told}


@contextmanager
def serving(service: StreetService, **settings: Any) -> Iterator[HttpSink]:
    """A sink that listens at any free port."""
    sink = HttpSink(HttpConfig(**{"port": 0, **settings}), service)
    service.sink = sink
    sink.start()
    try:
        yield sink
    finally:
        service.sink = None
        sink.close()


@contextmanager
def driving(service: StreetService, results: list[Result], period_s: float = 0.05) -> Iterator[None]:
    """Publishes the results again and again, as new frames, while the block runs."""
    with repeating(lambda seq: service.publish(renumbered(results[(seq + 1) % len(results)], seq + 1)), period_s):
        yield


def renumbered(result: Result, seq: int) -> Result:
    """The same picture, captured just now."""
    fresh = replace(result.frame, seq=seq, captured_ns=time.monotonic_ns(), captured_at=time.time())
    return replace(result, frame=fresh, dropped=Drops(late=seq // 10))
