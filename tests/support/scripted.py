"""Sources that behave and misbehave as told, for tests of the supervisor."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from edge_segnet.core.errors import SourceLost
from edge_segnet.core.types import Frame
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources.health import State
from edge_segnet.sources.live import LiveSource
from edge_segnet.sources.supervisor import Supervisor
from tests.support.waiting import wait_until

SIZE = (32, 24)


class Script:
    """A source that does what ``act`` says at each read: return a frame, None, or raise; ``act`` gets the number."""

    live = True
    damaged = 0

    def __init__(self, act: Callable[[int], Frame | None], fps: float = 200.0) -> None:
        self.act, self.fps = act, fps
        self.size = SIZE
        self.reads = 0
        self.closed = threading.Event()

    def read(self, timeout_s: float) -> Frame | None:
        if self.closed.wait(min(timeout_s, 1.0 / self.fps)):
            raise SourceLost("closed")
        self.reads += 1
        return self.act(self.reads - 1)

    def resize(self, size: tuple[int, int]) -> None:
        self.size = size

    def close(self) -> None:
        self.closed.set()


class File(Script):
    live = False


def frame(seq: int, *, value: int | None = None, captured_ns: int | None = None) -> Frame:
    image = np.full((SIZE[1], SIZE[0], 3), 40 + seq % 200 if value is None else value, np.uint8)
    return Frame(image, None, seq, time.monotonic_ns() if captured_ns is None else captured_ns, time.time(), "double")


def camera(**fields: float) -> CameraConfig:
    """Quick limits; ``stall_after_s`` is 0.3 unless given."""
    return CameraConfig.model_validate({"source": "rtsp://cam/1", "stall_after_s": 0.3, "backoff_max_s": 0.4} | fields)


@dataclass(frozen=True)
class Change:
    """A change of a camera's state, as the log has it."""

    state: str
    message: str


class _Changes(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.heard: list[Change] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "camera %s: %s: %s" and isinstance(record.args, tuple):
            _, state, message = record.args
            self.heard.append(Change(str(state), str(message)))


@contextmanager
def changes_of_state() -> Iterator[list[Change]]:
    """What supervisors say of their cameras meanwhile, in order."""
    log, handler = logging.getLogger("edge_segnet.sources.supervisor"), _Changes()
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield handler.heard
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


@contextmanager
def supervised(
    open_source: Callable[[tuple[int, int]], LiveSource], config: CameraConfig | None = None
) -> Iterator[tuple[Supervisor, list[Change]]]:
    with changes_of_state() as changes:
        supervisor = Supervisor(open_source, "front", SIZE, config or camera())
        supervisor.start()
        try:
            yield supervisor, changes
        finally:
            supervisor.close()


def state_of(supervisor: Supervisor) -> State:
    return supervisor.status().state


def take(supervisor: Supervisor, count: int) -> list[Frame]:
    frames: list[Frame] = []

    def enough() -> bool:
        if (got := supervisor.read(0.2)) is not None:
            frames.append(got)
        return len(frames) >= count

    wait_until(enough)
    return frames
