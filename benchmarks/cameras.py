"""What it costs that another process reads a camera, and what one camera's malice costs the others."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median

import psutil

from benchmarks.figure import Figure
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import gst, open_camera
from edge_segnet.sources.child import ChildSource
from edge_segnet.sources.gstreamer import Opening, open_pipeline
from edge_segnet.sources.live import FrameFormat, LiveSource, Terms
from edge_segnet.sources.supervisor import Supervisor
from tests.sources.gstreamer.rtsp_camera import Picture, RtspCamera
from tests.sources.hostile import HostileCameras
from tests.support.mjpeg_camera import MjpegCamera
from tests.support.waiting import wait_until

SIZE = (480, 360)
PIPELINE = "videotestsrc is-live=true pattern=ball ! video/x-raw,format=BGR,width=480,height=360,framerate=60/1"
ROUNDS, FRAMES = 3, 300
WATCHED_S, SETTLE_S = 15.0, 4.0
COMPANIONS = 21
MB = 1e6


def child(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """The same pipeline here and in a process of its own, in turn: CPU time and age of its frames."""
    extra_ms, middle_ms, late_ms, latest_ms, shares = [], [], [], [], []
    for _ in range(ROUNDS):
        cost_here, ages_here, _ = _taken(lambda: open_pipeline(PIPELINE, Opening(None, Terms(), _format())))
        cost_there, ages_there, share = _taken(lambda: ChildSource(CameraConfig(pipeline=PIPELINE), _format()))
        extra_ms.append(cost_there - cost_here)
        late_ms.append(_share(ages_there, 0.99) - _share(ages_here, 0.99))
        latest_ms.append(max(ages_there) - max(ages_here))
        middle_ms.append(median(ages_there) - median(ages_here))
        shares.append(share)
    return [
        Figure("a camera in a process of its own: CPU time more per 480x360 frame", median(extra_ms), "ms", 1.0),
        Figure("a camera in a process of its own: frames older by, median", median(middle_ms), "ms", 5.0),
        Figure("a camera in a process of its own: frames older by, p99", median(late_ms), "ms", 5.0),
        Figure("a camera in a process of its own: the latest frame of 300, later by", median(latest_ms), "ms", 5.0),
        Figure("a camera in a process of its own: proportional memory", median(shares), "MB", 38.0),
    ]


def _format() -> FrameFormat:
    return FrameFormat(SIZE, "stretch", "none", "front")


def _taken(opener: Callable[[], LiveSource]) -> tuple[float, list[float], float]:
    """CPU time per frame, of all processes (ms), ages of frames (ms), and the last process's memory (MB)."""
    with closing(opener()) as source:
        for _ in range(30):
            source.read(1.0)
        ages: list[float] = []
        before = _cpu_s(source)
        while len(ages) < FRAMES:
            if (frame := source.read(1.0)) is not None:
                ages.append((time.monotonic_ns() - frame.captured_ns) / 1e6)
        cost_ms = 1e3 * (_cpu_s(source) - before) / len(ages)
        memory = psutil.Process(source._pid).memory_full_info().pss / MB if isinstance(source, ChildSource) else 0.0
    return cost_ms, ages, memory


def _cpu_s(source: LiveSource) -> float:
    times = [os.times()[:2]]
    if isinstance(source, ChildSource):
        times.append(psutil.Process(source._pid).cpu_times()[:2])
    return sum(map(sum, times))


def _share(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


def hostile(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001
    """One camera beside 21 good ones, then beside 21 that lie, flood and hang: its rate, and everybody's memory."""
    gst.load()
    with MjpegCamera(fps=25.0) as good, ExitStack() as stack:
        companions = _good_companions(stack)
        healthy_rate, healthy_mb = _watched(good.url, companions)
        cameras = stack.enter_context(HostileCameras())
        rate, memory_mb = _watched(good.url, list(cameras.urls.values())[:COMPANIONS])
    return [
        Figure(
            "a good camera beside 21 hostile ones / beside 21 good ones: rate", rate / healthy_rate, "x", 0.95, ">="
        ),
        Figure(
            "21 hostile cameras: memory of all processes above the same in health", memory_mb - healthy_mb, "MB", 300.0
        ),
        Figure("22 good cameras: memory of all processes", healthy_mb, "MB"),
    ]


def _good_companions(stack: ExitStack) -> list[str]:
    mjpeg = stack.enter_context(MjpegCamera(fps=5.0))
    rtsp = stack.enter_context(RtspCamera(Picture(fps=5)))
    return [mjpeg.url, rtsp.url] * (COMPANIONS // 2) + [mjpeg.url]


def _watched(good: str, others: list[str]) -> tuple[float, float]:
    """Frames a second of the good one, and the most memory (MB) that we and our processes shared at any time."""
    with ExitStack() as stack:
        first = stack.enter_context(_supervised(good))
        companions = [stack.enter_context(_supervised(url)) for url in others]
        ended = threading.Event()
        readers = [threading.Thread(target=_read, args=(one, ended)) for one in companions]
        for reader in readers:
            reader.start()
        try:
            wait_until(lambda: first.status().state == "running")
            time.sleep(SETTLE_S)
            return _measured(first)
        finally:
            ended.set()
            for reader in readers:
                reader.join()


def _measured(first: Supervisor) -> tuple[float, float]:
    frames, most, looked = 0, 0.0, 0.0
    began = time.monotonic()
    while time.monotonic() - began < WATCHED_S:
        frames += first.read(0.2) is not None
        if time.monotonic() - looked > 1.0:
            looked = time.monotonic()
            most = max(most, _memory_mb())
    return frames / (time.monotonic() - began), most


def _memory_mb() -> float:
    here, total = psutil.Process(), 0.0
    for process in [here, *here.children(recursive=True)]:
        try:
            ours = process.pid == here.pid or "edge_segnet" in " ".join(process.cmdline())
            total += process.memory_full_info().pss / MB if ours else 0.0
        except psutil.Error:
            continue
    return total


def _read(supervisor: Supervisor, ended: threading.Event) -> None:
    while not ended.is_set():
        supervisor.read(0.2)


@contextmanager
def _supervised(url: str) -> Iterator[Supervisor]:
    camera = CameraConfig(source=url)
    supervisor = Supervisor(lambda size: open_camera(camera, "front", size), "front", SIZE, camera)
    supervisor.start()
    try:
        yield supervisor
    finally:
        supervisor.close()
