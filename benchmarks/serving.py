"""A daemon for benchmarks: the real one, in this process, with cameras whose frames lie in memory."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_segnet.backends.model import BackendOptions, open_backend
from edge_segnet.board.notify import Notifier
from edge_segnet.core.errors import SourceLost
from edge_segnet.core.types import Fit, Frame, Image, Result
from edge_segnet.graph import card as cards
from edge_segnet.service.life import Daemon
from edge_segnet.service.reload import Origin
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sinks.registry import configured
from edge_segnet.street import Street

FRAMES = 24
"""In memory; the camera shows them over and over."""


@dataclass
class Recorder:
    """A sink that keeps the numbers of every result."""

    ages_ms: list[float] = field(default_factory=list)
    infer_ms: list[float] = field(default_factory=list)
    handed_s: list[float] = field(default_factory=list)
    cameras: list[str] = field(default_factory=list)

    def publish(self, result: Result) -> None:
        """Keep them."""
        stages = result.segmentation.stages_ms
        self.ages_ms.append(result.age_ms)
        self.infer_ms.append(sum(took for stage, took in stages.items() if stage != "capture"))
        self.handed_s.append(time.monotonic())
        self.cameras.append(result.frame.camera)

    def status(self) -> dict[str, Any]:
        """Nothing to say."""
        return {}

    def close(self) -> None:
        """Nothing is held."""

    def rate(self, since_s: float) -> float:
        """Results per second after the moment ``since_s`` (monotonic)."""
        recent = [stamp for stamp in self.handed_s if stamp >= since_s]
        return (len(recent) - 1) / (recent[-1] - recent[0])


class MemoryCamera:
    """Shows pictures in turn, one each ``period_s``; loses its connection after ``lasts`` frames."""

    live = True
    damaged = 0

    def __init__(
        self, images: Sequence[Image], period_s: float, lasts: int | None = None, name: str = "memory"
    ) -> None:
        self._images, self._period_s, self._lasts, self._name = images, period_s, lasts, name
        self._seq = 0
        self._due_s = time.monotonic()

    def read(self, timeout_s: float) -> Frame | None:
        """The next picture, when it is due."""
        wait_s = self._due_s - time.monotonic()
        if wait_s > timeout_s:
            time.sleep(timeout_s)
            return None
        time.sleep(max(0.0, wait_s))
        if self._lasts is not None and self._seq >= self._lasts:
            raise SourceLost("as it was told to")
        captured_ns = time.monotonic_ns()
        image = self._images[self._seq % len(self._images)]
        frame = Frame(image, None, self._seq, captured_ns, time.time(), self._name)
        self._seq += 1
        self._due_s = max(self._due_s + self._period_s, time.monotonic() - self._period_s)
        return frame

    def resize(self, size: tuple[int, int]) -> None:
        """The supervisor fits what does not fit."""

    def close(self) -> None:
        """Nothing is held."""


@contextlib.contextmanager
def at_work(daemon: Daemon) -> Iterator[None]:
    """It is ready; at the end it is stopped."""
    thread = threading.Thread(target=daemon.run, name="daemon")
    thread.start()
    try:
        while not daemon.state.ready:
            time.sleep(0.01)
            assert thread.is_alive()
        yield
    finally:
        daemon.stop()
        thread.join()


@contextlib.contextmanager
def serving(
    model: str,
    images: Sequence[Image],
    period_s: float,
    lasts: int | None = None,
    connections: int = 64,
    more: Mapping[str, Any] | None = None,
) -> Iterator[tuple[Daemon, Recorder, str]]:
    """A running daemon, its recorder, and its address; ``more``: further sections of the settings."""
    settings = {
        "model": model,
        "http": {"port": 0, "max_connections": connections},
        "cameras": {"memory": {"source": "0", "backoff_max_s": 0.3}},
        **(more or {}),
    }
    config = configured(**settings)
    recorder = Recorder()

    def opener(_config: CameraConfig, name: str, _size: tuple[int, int], _fit: Fit) -> MemoryCamera:
        return MemoryCamera(images, period_s, lasts, name)

    daemon = Daemon(config, Origin(lambda: config), Notifier({}), {"recorder": recorder}, opener)
    with at_work(daemon):
        yield daemon, recorder, daemon.state.status().to_dict()["sinks"]["http"]["url"]


@contextlib.contextmanager
def clients(kind: str, url: str, number: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """Clients in a process of their own (``benchmarks.clients``)."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.clients", kind, url, str(number)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def rendered(model: str) -> list[Image]:
    """Street pictures at the model's size."""
    scene = Street(cards.load(model).card.size)
    return [scene.render(10 * index)[0] for index in range(FRAMES)]


def bare_rate(model: str, images: Sequence[Image], seconds: float) -> float:
    """Frames per second of ``backend.infer`` alone, with the daemon's options."""
    backend = open_backend(cards.load(model), "onnx", BackendOptions())
    frames = [Frame(image, None, seq, 0, 0.0, "bare") for seq, image in enumerate(images)]
    backend.infer([frames[0]])
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        backend.infer([frames[count % len(frames)]])
        count += 1
    rate = count / (time.perf_counter() - started)
    backend.close()
    return rate
