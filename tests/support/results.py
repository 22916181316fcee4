"""Frames, results, and short real doubles of the protocols, for tests of the service."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_segnet.core.classes import CAMVID_11, ClassMap
from edge_segnet.core.errors import EndOfStream
from edge_segnet.core.types import Done, Drops, Frame, Origin, Result, Segmentation, View

SIZE = (32, 24)
VIEW = View(CAMVID_11)


def frame_of(seq: int, camera: str = "front", size: tuple[int, int] = SIZE, age_ms: float = 0.0) -> Frame:
    """A grey frame, another one for each number, and none is black."""
    image = np.full((size[1], size[0], 3), 40 + seq % 200, np.uint8)
    captured_ns = time.monotonic_ns() - int(age_ms * 1e6)
    return Frame(image, None, seq, captured_ns, time.time(), camera)


def segmentation_of(frame: Frame, classes: ClassMap = CAMVID_11) -> Segmentation:
    """Every pixel the class ``seq % C``."""
    labels = np.full(frame.image.shape[:2], frame.seq % len(classes), np.uint8)
    counts = np.bincount(labels.ravel(), minlength=len(classes) + 1).astype(np.int64)
    return Segmentation(labels, counts, None, {"network": 1.0}, classes=classes)


def result_of(seq: int, camera: str = "front", *, age_ms: float = 5.0, late: int = 0, stale: bool = False) -> Result:
    """A result as a loop makes it."""
    frame = frame_of(seq, camera)
    origin = Origin("double", 0.0 if stale else 60.0)
    return Result(frame, segmentation_of(frame), VIEW, "double", "double", age_ms, Drops(late), origin)


class ListSource:
    """A source of given frames, then of nothing, or of its end."""

    def __init__(self, frames: list[Frame], ends: bool = True) -> None:
        self.frames, self.ends = deque(frames), ends

    def read(self, timeout_s: float) -> Frame | None:
        """The next one."""
        if self.frames:
            return self.frames.popleft()
        if self.ends:
            raise EndOfStream("no more")
        time.sleep(min(timeout_s, 0.01))
        return None

    def resize(self, size: tuple[int, int]) -> None:
        """They stay as they are."""

    def close(self) -> None:
        """Nothing is held."""


class PlainBackend:
    """Says ``seq % C`` for every pixel; ``gate`` closed keeps it inside ``infer``."""

    name = "double"
    max_batch = 1
    classes = CAMVID_11

    def __init__(self, size: tuple[int, int] = SIZE) -> None:
        self.input_size = size
        self.gate = threading.Event()
        self.gate.set()
        self.seen: list[int] = []
        self.closed = False

    def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """As the class says."""
        self.gate.wait(20)
        self.seen += [frame.seq for frame in frames]
        return [segmentation_of(frame) for frame in frames]

    def submit(self, frames: Sequence[Frame]) -> Done:
        """At once."""
        return Done(self.infer(frames))

    def close(self) -> None:
        """Remembered."""
        self.closed = True


class ListSink:
    """Keeps what it gets; ``gate`` closed makes it hang in ``publish``, ``broken`` makes it raise."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self.gate = threading.Event()
        self.gate.set()
        self.broken = False
        self.closed = False

    def publish(self, result: Result) -> None:
        """Keep it."""
        self.gate.wait(20)
        if self.broken:
            raise OSError("no space")
        self.results.append(result)

    def status(self) -> dict[str, Any]:
        """How many."""
        return {"kept": len(self.results)}

    def close(self) -> None:
        """Remembered."""
        self.closed = True
