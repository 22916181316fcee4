"""The decode kernel: microseconds, and its bytes per second against a copy on the device."""

from __future__ import annotations

import ctypes
from statistics import median

import numpy as np

from benchmarks.figure import Figure
from edge_segnet.backends.gpu_slots import ARGUMENTS, BLOCK
from edge_segnet.core.margins import margin_scale
from edge_segnet.cuda.choice import open_driver
from edge_segnet.cuda.compile import architecture, find_compiler, kernel_source
from edge_segnet.cuda.interface import DeviceBuffer, Driver, Stream
from edge_segnet.cuda.probe import LIBRARY, find_gpu

CLASSES = 12
SMALL, LARGE = (480, 360), (3840, 2160)
"""The service's size; and one whose 199 MB of FP16 logits are more than any card's cache."""


def compiled(driver: Driver) -> bytes:
    """The kernel for this GPU."""
    return find_compiler(find_gpu().cuda).compile(kernel_source(), architecture(driver.info.compute_capability))


def run(repeats: int) -> list[Figure]:
    """Raises ModelError where there is no GPU, no driver or no compiler."""
    driver = open_driver()
    cubin, name = compiled(driver), driver.info.name
    with driver.current():
        small, _ = _decode_time(driver, cubin, SMALL, repeats)
        large, moved = _decode_time(driver, cubin, LARGE, repeats)
        copied = _copy_bandwidth(driver, moved // 2, repeats)
    driver.close()
    share = 100 * moved / large / copied
    return [
        Figure(f"decode 480x360x12 FP16 ({name})", 1e6 * small, "us", 25.0),
        Figure(f"decode 3840x2160x12 FP16 ({name})", 1e6 * large, "us"),
        Figure(f"copy on the device ({name})", copied / 1e9, "GB/s"),
        Figure("decode 3840x2160x12 FP16, of the copy bandwidth", share, "%", 60.0, ">="),
    ]


def once() -> None:
    """The kernel in both precisions, on whole groups of pixels and on single ones: for compute-sanitizer."""
    driver = open_driver()
    cubin = compiled(driver)
    with driver.current():
        for size in (SMALL, (481, 361)):
            _decode_time(driver, cubin, size, 1)
            _decode_time(driver, cubin, size, 1, "decode_float32")
    driver.close()


def _decode_time(
    driver: Driver, cubin: bytes, size: tuple[int, int], repeats: int, entry: str = "decode_float16"
) -> tuple[float, int]:
    """(median seconds, bytes read and written)"""
    pixels, wide = size[0] * size[1], 2 if entry == "decode_float16" else 4
    stream, begin, end = driver.stream(), driver.event(), driver.event()
    logits, labels = driver.device_buffer(wide * CLASSES * pixels), driver.device_buffer(2 * pixels)
    totals = driver.device_buffer(4 * (2 * CLASSES + 4))
    _fill(driver, stream, logits, np.dtype(np.float16 if wide == 2 else np.float32))
    kernel = driver.kernel(cubin, entry, ARGUMENTS)
    threads = -(-pixels // (1 if pixels % 4 else 4))
    grid = min(-(-threads // BLOCK), 8 * driver.info.multiprocessors)
    arguments = (logits.address, labels.address, totals.address, CLASSES, CLASSES, pixels, margin_scale(1.0))
    times = []
    for _ in range(repeats):
        stream.clear(totals)
        stream.record(begin)
        stream.launch(kernel, grid, BLOCK, 4 * (BLOCK // 32) * (2 * CLASSES + 4), arguments)
        stream.record(end)
        end.wait()
        times.append(end.ms_since(begin) / 1e3)
    return median(times), (wide * CLASSES + 2) * pixels


def _fill(driver: Driver, stream: Stream, logits: DeviceBuffer, kind: np.dtype[np.floating]) -> None:
    """Blobs of classes, as a network's logits have them: an upload of random pieces."""
    rng, count = np.random.default_rng(0), logits.nbytes // kind.itemsize
    host = driver.host_buffer((count,), kind, "pinned")
    host.array[:] = np.repeat(rng.normal(0, 3, count // 40 + 1), 40)[:count]
    stream.upload(logits, host, logits.nbytes)
    stream.synchronize()


def _copy_bandwidth(driver: Driver, nbytes: int, repeats: int) -> float:
    """Bytes read plus bytes written per second of a copy on the device."""
    copy = ctypes.CDLL(LIBRARY).cuMemcpyDtoDAsync_v2
    copy.argtypes = [ctypes.c_uint64, ctypes.c_uint64, ctypes.c_size_t, ctypes.c_void_p]
    source, target = driver.device_buffer(nbytes), driver.device_buffer(nbytes)
    stream, begin, end = driver.stream(), driver.event(), driver.event()
    times = []
    for _ in range(repeats):
        stream.record(begin)
        if status := copy(target.address, source.address, nbytes, stream.handle):
            raise RuntimeError(f"cuMemcpyDtoDAsync: error {status}")
        stream.record(end)
        end.wait()
        times.append(end.ms_since(begin) / 1e3)
    return float(2 * nbytes / median(times))
