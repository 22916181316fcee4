"""``edge-segnet label`` against bare ``session.run`` loops, also on Ray; reading; the driver's memory."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import psutil

from benchmarks.figure import Figure, Missing
from edge_segnet.backends.model import BackendOptions, open_model
from edge_segnet.core.errors import InputError
from edge_segnet.offline.label import local, on_ray, plan
from edge_segnet.offline.label.work import Done, Spec, open_tasks
from edge_segnet.sources.mcap_messages import WHOLE, MessageReader
from edge_segnet.sources.mcap_outline import read_outline
from tests.support import drives
from tests.support.models import save_tiny
from tests.support.service import drive

SIZE = (480, 360)
WORKERS = 2
RECORDINGS, FRAMES = 4, 80
SHORT = 20
"""Frames of a task here, so that a rate can be taken between the first and the last one."""
BARE_S = 6.0
FLAT_KB = 5.0
"""A recording: a hundred thousand of them would take 500 MB."""
_BARE = """
import sys, time
import numpy as np
from edge_segnet.backends.onnx import CpuOptions, make_session
from edge_segnet.backends.reading import graph_for
from edge_segnet.graph import card as cards
from edge_segnet.graph.model_files import DECODED
model = cards.load(sys.argv[1])
session = make_session(graph_for(model, "onnxruntime"), CpuOptions(threads=1))
width, height = model.card.size
frame = {"frame": np.random.default_rng(0).integers(0, 256, (1, height, width, 3), np.uint8)}
session.run(DECODED, frame)
print("ready", flush=True)
sys.stdin.readline()
count, start = 0, time.perf_counter()
while time.perf_counter() - start < float(sys.argv[2]):
    session.run(DECODED, frame)
    count += 1
print(count / (time.perf_counter() - start))
"""


def run(model: str, folder: Path) -> list[Figure]:
    """Two workers at the model's size."""
    folder /= "label"
    fleet = _fleet(folder)
    bare = _bare(model)
    ours = _rate(model, fleet, folder / "local")
    bare = (bare + _bare(model)) / 2
    return [
        Figure("label, local, two workers: of two bare loops", ours / bare, "", 0.9, ">="),
        Figure("label, local, two workers", ours, "frames/s"),
        Figure("reading a recording before decoding", _reading(fleet), "frames/s", 300.0, ">="),
    ]


def ray(model: str, folder: Path) -> list[Figure]:
    """The same on a local Ray; labels of both engines must be the same, byte by byte."""
    folder /= "label-ray"
    fleet = _fleet(folder)
    bare = _bare(model)
    try:
        ours = _rate(model, fleet, folder / "ray", ray=True)
    except InputError as error:
        raise Missing(f"Ray does not start: {error}") from error
    bare = (bare + _bare(model)) / 2
    _rate(model, fleet, folder / "local")
    same = _labels(folder / "local") == _labels(folder / "ray")
    return [
        Figure("label, Ray, num_cpus=2: of two bare loops", ours / bare, "", 0.85, ">="),
        Figure("label: the same labels from both engines", float(same), "", 1.0, ">="),
    ]


def _fleet(folder: Path) -> Path:
    street = [result.frame.image for result in drive(60, SIZE)]
    fleet = folder / "fleet"
    fleet.mkdir(parents=True)
    for number in range(RECORDINGS):
        images = [street[(7 * number + each) % 60] for each in range(FRAMES)]
        topics = {"/front/camera": drives.compressed(images)}
        times = range(number, 10**9 * FRAMES + number, 10**9)
        drives.write_mcap(fleet / f"{number}.mcap", topics, times=times, chunk_size=1 << 20)
    return fleet


def _bare(model: str) -> float:
    """Frames per second of two loops together."""
    command = [sys.executable, "-c", _BARE, model, str(BARE_S)]
    loops = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(WORKERS)
    ]
    for loop in loops:
        assert loop.stdout is not None and loop.stdout.readline() == "ready\n"
    return sum(float(found) for found in [loop.communicate("\n")[0] for loop in _begun(loops)])


def _begun(loops: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    for loop in loops:
        assert loop.stdin is not None
        loop.stdin.write("\n")
        loop.stdin.flush()
    return loops


def _rate(model: str, fleet: Path, out: Path, *, ray: bool = False) -> float:
    """Frames per second, between the first tasks that are done and the last."""
    items = plan.make_plan([str(fleet)], None, SHORT).items
    sha256 = open_model(model, None, "onnx", BackendOptions(threads=1)).sha256
    spec = Spec(model, sha256, "onnx", None, str(out), "png", None)
    tasks = open_tasks(out, (task for item in items for task in item.tasks()))
    options = on_ray.RayOptions(None, WORKERS, gpus=False)
    work: Iterator[Done] = (
        on_ray.run(tasks, spec, options, lambda _frames: None)
        if ray
        else local.run(tasks, spec, WORKERS, lambda _frames: None)
    )
    for _ in work:
        pass
    # When the parts were published, not when the driver heard of it: Ray tells of several at once.
    times = sorted(path.stat().st_mtime_ns / 1e9 for path in out.glob("frames/*/*.parquet"))
    # The first ones of both workers begin the clock.
    return (len(times) - WORKERS) * SHORT / (times[-1] - times[WORKERS - 1])


def _labels(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.png")}


def _reading(fleet: Path) -> float:
    count, start = 0, time.perf_counter()
    for path in fleet.glob("*.mcap"):
        outline = read_outline(path)
        with closing(MessageReader(outline, outline.topics[0], WHOLE)) as reader:
            count += sum(1 for _, _, decode, data in reader.messages() if decode(data) is not None)
    return count / (time.perf_counter() - start)


def memory(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """1,000 short recordings with a tiny net: what the driver has after the 100th and after the last."""
    folder /= "label-memory"
    fleet = folder / "fleet"
    fleet.mkdir(parents=True)
    for number in range(1000):
        drives.write_mcap(fleet / f"{number}.mcap", {"/f": drives.compressed(drives.pictures(2, (64, 48), 2 * number))})
    tiny = str(save_tiny(folder / "tiny.onnx"))
    sha256 = open_model(tiny, None, "onnx", BackendOptions(threads=1)).sha256
    items = plan.make_plan([str(fleet)], None).items
    spec = Spec(tiny, sha256, "onnx", None, str(folder / "out"), "png", None)
    driver = psutil.Process()
    work = local.run((task for item in items for task in item.tasks()), spec, WORKERS, lambda _frames: None)
    seen = [driver.memory_info().rss / 1e6 for _ in work]
    shutil.rmtree(fleet)
    last = np.array(seen[500:])
    slope = 1e3 * float(np.polyfit(np.arange(len(last)), last, 1)[0])
    return [
        Figure("label: driver's growth from the 100th to the 1,000th recording", seen[-1] - seen[99], "MB", 50.0),
        Figure("label: driver's growth over the last 500", slope, "kB a recording", FLAT_KB),
    ]
