"""The daemon under load, against the network alone in the same run; its start; camera loss; endurance; bad clients."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import psutil

from benchmarks.figure import Figure, Missing
from benchmarks.serving import bare_rate, clients, rendered, serving
from edge_segnet.core.stats import percentile
from tests.sources.gstreamer.rtsp_camera import RtspCamera
from tests.support.models import save_tiny
from tests.support.program import program

ROUNDS = 3
BARE_S, SERVED_S, SETTLE_S = 8.0, 20.0, 2.0
OVERLOAD = 1.2
"""Camera rate over infer rate."""
ENDURANCE_FRAMES, RECONNECTS, VISITS = 10_000, 100, 200
WARM_FRAMES = 2_000
BAD_CLIENTS = 500


def load(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """One dashboard viewer, a camera faster than the network: rate against ``infer`` alone, and ages."""
    images = rendered(model)
    ratios, rates = [], []
    handed, written = [], []
    for _ in range(ROUNDS):
        bare = bare_rate(model, images, BARE_S)
        period_s = 1.0 / (OVERLOAD * bare)
        with serving(model, images, period_s) as (daemon, recorder, url), clients("viewer", url):
            time.sleep(SETTLE_S)
            since = time.monotonic()
            first = len(recorder.ages_ms)
            time.sleep(SERVED_S)
            rate = recorder.rate(since)
            ages, infer = recorder.ages_ms[first:], recorder.infer_ms[first:]
            told = daemon.state.status().to_dict()["sinks"]["http"]["written_age_ms"]
        ratios.append(rate / bare)
        rates.append(rate)
        allowed_ms = 1e3 * period_s + percentile(infer, 0.99)
        handed.append((percentile(ages, 0.99), allowed_ms))
        written.append((told["p99"], allowed_ms + 30.0))
    age, bound = sorted(handed)[ROUNDS // 2]
    age_written, bound_written = sorted(written)[ROUNDS // 2]
    return [
        Figure("service with one dashboard viewer", median(rates), "frames/s"),
        Figure("service with one dashboard viewer / bare infer", median(ratios), "x", 0.9, ">="),
        Figure("age at hand-over, p99 (bound: camera period + p99 of infer)", age, "ms", bound),
        Figure("age when HTTP has written it, p99 (bound: + 30 ms)", age_written, "ms", bound_written),
    ]


def start(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """From process start to READY=1, and from SIGTERM to its end; median of five, after one that warms the disk."""
    ready, ended = [], []
    for _ in range(6):
        with program("-m", model) as service:
            ready.append(service.wait_ready())
            time.sleep(1.0)
            ended.append(service.end())
    return [
        Figure("process start to READY", median(ready[1:]), "s", 1.0),
        Figure("SIGTERM to the end", median(ended[1:]), "s", 2.0),
    ]


def camera(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - a tiny net: this is about the camera
    """A real RTSP camera that stalls (open connection, no bytes) and one that is killed; each comes back."""
    tiny = save_tiny(folder / "tiny.onnx")
    noticed: dict[str, list[float]] = {"stall": [], "kill": []}
    back: dict[str, list[float]] = {"stall": [], "kill": []}
    _require_rtsp_server()
    with RtspCamera() as real, program("-m", tiny, "--source", real.url) as service:

        def state() -> str:
            return str(service.get("/api/status").json()["cameras"]["camera"]["state"])

        _until(lambda: state() == "running")
        for _ in range(ROUNDS):
            for fault, begin, end in (("stall", real.stall, real.resume), ("kill", real.stop, real.start)):
                begin()
                noticed[fault].append(_seconds_until(lambda: state() != "running"))
                time.sleep(SETTLE_S)
                end()
                back[fault].append(_seconds_until(lambda: state() == "running"))
                time.sleep(SETTLE_S)
    return [
        *(
            Figure(f"camera {fault}: noticed, worst of {ROUNDS}", max(took), "s", 2.0)
            for fault, took in noticed.items()
        ),
        *(
            Figure(f"camera {fault}: picture back, worst of {ROUNDS}", max(took), "s", 3.0)
            for fault, took in back.items()
        ),
    ]


def _seconds_until(condition: Callable[[], bool]) -> float:
    began = time.monotonic()
    _until(condition)
    return time.monotonic() - began


def endurance(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - a tiny net, so that frames are many
    """10,000 frames, 100 reconnects, 200 clients that come and go: memory, threads, descriptors."""
    tiny = str(save_tiny(folder / "tiny.onnx"))
    images = rendered(tiny)
    me = psutil.Process()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what earlier benchmarks left must not be given back while this one measures
    with serving(tiny, images, 0.004, lasts=ENDURANCE_FRAMES // RECONNECTS) as (daemon, recorder, url):
        _visit(url, 20)
        _until(lambda: len(recorder.ages_ms) >= WARM_FRAMES)
        before = _held(me)
        visiting = threading.Thread(target=_visit, args=(url, VISITS))
        visiting.start()
        _until(lambda: len(recorder.ages_ms) >= WARM_FRAMES + ENDURANCE_FRAMES)
        visiting.join()
        time.sleep(SETTLE_S)
        after = _held(me)
        reconnects = daemon.state.status().to_dict()["cameras"]["memory"]["reconnects"]
    return [
        Figure("endurance: reconnects in 12,000 frames", reconnects, "", RECONNECTS, ">="),
        Figure("endurance: memory growth over 10,000 frames", after[0] - before[0], "MB", 10.0),
        Figure("endurance: threads more than before", after[1] - before[1], "", 0.0),
        Figure("endurance: descriptors more than before", after[2] - before[2], "", 0.0),
    ]


def _require_rtsp_server() -> None:
    """Raises Missing: the camera of this part is GStreamer's RTSP server, in a process of its own."""
    code = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1]
        raise Missing(f"GStreamer's RTSP server from Python ({reason}): apt install gir1.2-gst-rtsp-server-1.0")


def _held(me: psutil.Process) -> tuple[float, int, int]:
    return me.memory_info().rss / 1e6, me.num_threads(), me.num_fds()


def _visit(url: str, number: int) -> None:
    with clients("visits", url, number) as process:
        process.wait()


def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.02)


def hostile(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """500 slow or stuck clients against none, in turns."""
    images = rendered(model)
    period_s = 1.0 / (OVERLOAD * bare_rate(model, images, BARE_S))
    ratios = []
    with serving(model, images, period_s) as (_daemon, recorder, url):
        for _ in range(ROUNDS):
            time.sleep(SETTLE_S)
            since = time.monotonic()
            time.sleep(SERVED_S / 2)
            alone = recorder.rate(since)
            with clients("stuck", url, BAD_CLIENTS):
                time.sleep(2 * SETTLE_S)
                since = time.monotonic()
                time.sleep(SERVED_S / 2)
                ratios.append(recorder.rate(since) / alone)
    return [Figure(f"{BAD_CLIENTS} slow or stuck clients / none", median(ratios), "x", 0.95, ">=")]
