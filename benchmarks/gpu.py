"""What only a GPU can measure: the decode kernel against the card's copy bandwidth, and the loop against its network.

Where no TensorRT runs on the card, torch runs the same network in FP16 in its place, and the figures say so.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.figure import Figure, Missing
from edge_segnet.backends.model import open_backend
from edge_segnet.backends.tensorrt import BLOCK, Spec, TensorRTBackend
from edge_segnet.core.errors import ModelError
from edge_segnet.core.margins import margin_scale
from edge_segnet.core.types import Frame
from edge_segnet.cuda.compile import architecture, find_compiler, kernel_source
from edge_segnet.cuda.driver import PycudaDriver
from edge_segnet.cuda.probe import find_gpu
from edge_segnet.graph import card as cards
from edge_segnet.street import Street

CLASSES = 12
SMALL, LARGE = (480, 360), (3840, 2160)
"""The service's size; and one whose 199 MB of FP16 logits are more than any card's cache."""
REPEATS = 200
LOOPS = 1000


def run(model: str, folder: Path) -> list[Figure]:  # noqa: ARG001 - all benchmarks are called alike
    """Raises Missing where there is no GPU or no pycuda."""
    try:
        driver = PycudaDriver()
    except ModelError as error:
        raise Missing(str(error)) from error
    cubin = find_compiler(find_gpu().cuda).compile(kernel_source(), architecture(driver.info.compute_capability))
    figures = decode(driver, cubin)
    backend, what = _backend(model, driver, cubin)
    if backend is None:
        driver.close()
        return figures
    return figures + _loop(backend, what)


def decode(driver: PycudaDriver, cubin: bytes) -> list[Figure]:
    """Microseconds of the kernel, and its bytes per second against a copy on the device."""
    name = driver.info.name
    with driver.current():
        small, _ = _decode_time(driver, cubin, SMALL)
        large, moved = _decode_time(driver, cubin, LARGE)
        copied = _copy_bandwidth(driver, moved // 2)
    share = 100 * moved / large / copied
    return [
        Figure(f"decode 480x360x12 FP16 ({name})", 1e6 * small, "us", 25.0),
        Figure(f"decode 3840x2160x12 FP16 ({name})", 1e6 * large, "us"),
        Figure(f"copy on the device ({name})", copied / 1e9, "GB/s"),
        Figure("decode 3840x2160x12 FP16, of the copy bandwidth", share, "%", 60.0, ">="),
    ]


def _decode_time(driver: PycudaDriver, cubin: bytes, size: tuple[int, int]) -> tuple[float, int]:
    """(median seconds, bytes read and written)"""
    pixels = size[0] * size[1]
    stream, events = driver.stream(), (driver.event(), driver.event())
    logits, labels = driver.device_buffer(2 * CLASSES * pixels), driver.device_buffer(2 * pixels)
    totals = driver.device_buffer(4 * (2 * CLASSES + 4))
    _fill(driver, stream, logits)
    kernel = driver.kernel(cubin, "decode_float16", "PPPiiif")
    grid = min(-(-pixels // (4 * BLOCK)), 8 * driver.info.multiprocessors)
    arguments = (logits.address, labels.address, totals.address, CLASSES, CLASSES, pixels, margin_scale(1.0))
    times = []
    for _ in range(REPEATS):
        stream.clear(totals)
        stream.record(events[0])
        stream.launch(kernel, grid, BLOCK, 4 * (BLOCK // 32) * (2 * CLASSES + 4), arguments)
        stream.record(events[1])
        stream.synchronize()
        times.append(events[1].ms_since(events[0]) / 1e3)
    return median(times), (2 * CLASSES + 2) * pixels


def _fill(driver: PycudaDriver, stream: Any, logits: Any) -> None:
    """Blobs of classes, as a network's logits have them: an upload of random pieces."""
    rng = np.random.default_rng(0)
    host = driver.host_buffer((logits.nbytes // 2,), np.float16, "pinned")
    host.array[:] = np.repeat(rng.normal(0, 3, logits.nbytes // 2 // 40 + 1), 40)[: logits.nbytes // 2]
    stream.upload(logits, host)
    stream.synchronize()


def _copy_bandwidth(driver: PycudaDriver, nbytes: int) -> float:
    """Bytes read plus bytes written per second of a copy on the device."""
    import pycuda.driver as cuda

    source, target = driver.device_buffer(nbytes), driver.device_buffer(nbytes)
    stream, events = cuda.Stream(), (cuda.Event(), cuda.Event())
    times = []
    for _ in range(REPEATS):
        events[0].record(stream)
        cuda.memcpy_dtod_async(target.address, source.address, nbytes, stream)
        events[1].record(stream)
        stream.synchronize()
        times.append(events[1].time_since(events[0]) / 1e3)
    return float(2 * nbytes / median(times))


def _backend(model: str, driver: PycudaDriver, cubin: bytes) -> tuple[Any, str]:
    """The loop on TensorRT, or on torch; None where neither runs here."""
    onnx_model = cards.load(model)
    try:
        backend = open_backend(onnx_model, "tensorrt")
        return backend, f"TensorRT, {backend.name}"
    except ModelError as error:
        print(f"no engine: {error}", file=sys.stderr)  # noqa: T201
    try:
        from tests.gpu.torch_network import TorchNetwork

        with driver.current():
            network = TorchNetwork(onnx_model)
    except (ImportError, AssertionError, RuntimeError) as error:
        print(f"no torch in its place: {error}", file=sys.stderr)  # noqa: T201
        return None, ""
    spec = Spec(onnx_model.card.name, onnx_model.card.classes, onnx_model.card.size, onnx_model.card.fit, "fp16")
    return TensorRTBackend(spec, network, driver, cubin), "torch, not TensorRT"


def _loop(backend: TensorRTBackend, what: str) -> list[Figure]:
    """Frames through the loop, and the network alone, in turns."""
    scene = Street(backend.input_size)
    frames = [Frame(scene.render(number)[0], None, number, 0, 0.0, "") for number in range(10)]
    whole, bare = [], []
    for number in range(LOOPS + 50):
        frame = frames[number % len(frames)]
        started = time.perf_counter()
        backend.infer([frame])
        whole.append(1e3 * (time.perf_counter() - started))
        bare.append(backend.bare_ms(frame))
    took, alone = median(whole[50:]), median(bare[50:])
    backend.close()
    return [
        Figure(f"network alone, 480x360 FP16 ({what})", alone, "ms"),
        Figure(f"the loop around it ({what})", took, "ms"),
        Figure(f"loop over the network alone ({what})", took - alone, "ms", round(0.05 * alone + 0.2, 3)),
    ]
