"""Building an engine without a GPU, and what the loop costs the host: what any PC can measure of the GPU path."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

from benchmarks import peak
from benchmarks.figure import Figure, Missing
from edge_segnet.backends.gpu_slots import Spec, Start
from edge_segnet.backends.tensorrt import TensorRTBackend
from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Frame
from edge_segnet.cuda.interface import DeviceInfo, MemoryKind
from edge_segnet.graph import card as cards
from edge_segnet.graph import segnet
from edge_segnet.graph.build import build_model
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.street import Street

SIZE = (480, 360)
FRAMES = 6000
SETTLED = 1000


def build(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """``build-engine`` on a VGG16 SegNet, the whole process: TensorRT-RTX, FP16, one architecture, no GPU."""
    source = folder / "segnet.onnx"
    cards.save(vgg16(), source)
    flags = ["--runtime", "tensorrt-rtx", "--compute-capability", "8.9", "--force"]
    command = [sys.executable, "-m", "edge_segnet", "build-engine", str(source), *flags, "-o", str(folder / "x.engine")]
    seconds, peaks = [], []
    for _ in range(3):
        done = peak.run(command)
        if done.code:
            raise Missing(done.said.strip())
        seconds.append(done.seconds)
        peaks.append(done.memory / 1e9)
    return [
        Figure("build-engine, VGG16 SegNet 480x360 FP16, process start to end", median(seconds), "s", 10.0),
        Figure("build-engine, VGG16 SegNet 480x360 FP16, peak memory", max(peaks), "GB", 2.0),
    ]


def vgg16() -> OnnxModel:
    """Random weights: what they are does not matter to a builder."""
    architecture, rng = segnet.segnet(len(CAMVID_11)), np.random.default_rng(0)
    weights: dict[str, NDArray[np.float32]] = {}
    for conv in architecture.convolutions:
        shape = (conv.out_channels, conv.in_channels // conv.groups, conv.kernel, conv.kernel)
        scale = (2 / (conv.in_channels * conv.kernel**2)) ** 0.5
        weights[f"{conv.name}.weight"] = rng.standard_normal(shape, np.float32) * np.float32(scale)
        weights[f"{conv.name}.bias"] = np.zeros(conv.out_channels, np.float32)
    return cards.attach(build_model(architecture, weights, SIZE), name="segnet", classes=CAMVID_11)


def host(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """The loop's own work per frame: everything but waiting for the GPU, which here takes no time."""
    spec = Spec("idle", CAMVID_11, SIZE, "stretch", "fp16")
    backend = TensorRTBackend(spec, _IdleNetwork(), _IdleDriver(), b"")
    scene = Street(SIZE)
    frames = [Frame(scene.render(number)[0], None, number, 0, 0.0, "") for number in range(10)]
    times, resident = [], []
    gc.collect()
    for number in range(FRAMES):
        frame = frames[number % len(frames)]
        started = time.perf_counter()
        backend.infer([frame])
        times.append(1e3 * (time.perf_counter() - started))
        if number in (SETTLED, FRAMES - 1):
            resident.append(int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 1e6)
    times.sort()
    return [
        Figure("GPU loop, host work per frame at p50 (idle driver)", times[len(times) // 2], "ms", 0.03),
        Figure("GPU loop, of that the copies of frame and labels alone", _copies_ms(frames), "ms"),
        Figure("GPU loop, host work per frame at p99 (idle driver)", times[len(times) * 99 // 100], "ms"),
        Figure("GPU loop, memory growth over 5,000 frames", resident[1] - resident[0], "MB", 1.0),
    ]


def _copies_ms(frames: Sequence[Frame]) -> float:
    """What no loop can do without: a frame into its memory, labels and margins out of theirs."""
    place, found = np.zeros_like(frames[0].image), np.zeros((2, *frames[0].image.shape[:2]), np.uint8)
    times = []
    for number in range(SETTLED):
        started = time.perf_counter()
        np.copyto(place, frames[number % len(frames)].image)
        found.copy()
        times.append(1e3 * (time.perf_counter() - started))
    return median(times)


class _IdleNetwork:
    def bind(self, frame: int, logits: int, count: int) -> Start:  # noqa: ARG002 - a network's interface
        return lambda stream: None  # noqa: ARG005

    def close(self) -> None:
        pass


class _Memory:
    address = 4096

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.array: NDArray[Any] = np.zeros(shape, dtype)
        self.nbytes = self.array.nbytes

    def ms_since(self, earlier: Any) -> float:  # noqa: ARG002 - an event's interface
        return 0.0

    def wait(self) -> None:
        pass


class _Inside:
    """A class, as the real drivers have one: a generator's context manager would cost twice what it measures."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


class _IdleDriver:
    """A GPU that does everything at once: all pixels are of class 0."""

    info = DeviceInfo("idle", (8, 7), integrated=False, multiprocessors=8)
    name, graphs, handle = "idle", False, 1

    def current(self) -> _Inside:
        return _Inside()

    def stream(self) -> _IdleDriver:
        return self

    def event(self) -> _Memory:
        return _Memory((1,), np.uint8)

    def device_buffer(self, nbytes: int) -> _Memory:
        return _Memory((nbytes,), np.uint8)

    def host_buffer(self, shape: tuple[int, ...], dtype: DTypeLike, kind: MemoryKind) -> _Memory:  # noqa: ARG002
        made = _Memory(shape, dtype)
        if len(shape) == 2:  # totals: all pixels are of class 0
            made.array[:, 2] = SIZE[0] * SIZE[1]
        return made

    def kernel(self, cubin: bytes, name: str, arguments: str) -> None:
        pass

    def memory(self) -> tuple[int, int]:
        return 0, 0

    def close(self) -> None:
        pass

    def upload(self, target: Any, source: Any, nbytes: int) -> None:
        pass

    def download(self, target: Any, source: Any, nbytes: int) -> None:
        pass

    def clear(self, target: Any) -> None:
        pass

    def launch(self, kernel: Any, grid: int, block: int, shared_bytes: int, arguments: Sequence[int | float]) -> None:
        pass

    def record(self, event: Any) -> None:
        pass

    def wait_for(self, event: Any) -> None:
        pass

    def synchronize(self) -> None:
        pass

    def capture(self, work: Callable[[], None]) -> NoReturn:
        raise NotImplementedError
