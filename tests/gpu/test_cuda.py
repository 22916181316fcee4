"""Buffers, graphs and the decode kernel on the device, against NumPy."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_segnet.backends.gpu_slots import BLOCK
from edge_segnet.core.errors import DeviceLost, ModelError
from edge_segnet.core.margins import margin_scale
from edge_segnet.cuda.interface import Driver, DriverKind, MemoryKind
from tests.cuda.reference import adversarial, decode
from tests.cuda.test_decode import check_totals

CASES = [
    pytest.param(logits, id=f"{name}, {kind.__name__}")
    for kind in (np.float16, np.float32)
    for name, logits in adversarial(kind)
]


def test_what_goes_up_comes_down(driver: Driver) -> None:
    with driver.current():
        up, down = (driver.host_buffer((100, 7), np.uint8, "pinned") for _ in range(2))
        there, stream = driver.device_buffer(700), driver.stream()
        before, after = driver.event(), driver.event()
        up.array[:] = np.random.default_rng(0).integers(0, 256, (100, 7))
        stream.record(before)
        stream.upload(there, up, 700)
        stream.download(down, there, 700)
        stream.record(after)
        after.wait()
        assert np.array_equal(up.array, down.array) and after.ms_since(before) >= 0
        stream.clear(there)
        stream.download(down, there, 70)
        stream.synchronize()
        assert not down.array[:10].any() and np.array_equal(up.array[10:], down.array[10:])
        assert up.address == 0 and there.address and stream.handle
        free, total = driver.memory()
        assert 0 < free <= total
        del up, down, there, stream, before, after


def run(
    driver: Driver, cubin: bytes, logits: NDArray[Any], kind: MemoryKind, grid: int = 3
) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """The kernel on a few blocks only, so that every thread takes several pixels."""
    classes, height, width = logits.shape
    with driver.current():
        stream = driver.stream()
        source = driver.host_buffer(logits.shape, logits.dtype, "pinned")
        np.copyto(source.array, logits)
        there, totals = driver.device_buffer(logits.nbytes), driver.device_buffer(4 * (2 * classes + 4))
        labels = driver.host_buffer((2, height, width), np.uint8, kind)
        labels_there = None if kind == "mapped" else driver.device_buffer(2 * height * width)
        counted = driver.host_buffer((2 * classes + 4,), np.uint32, "pinned")
        kernel = driver.kernel(cubin, f"decode_{logits.dtype}", "PPPiiif")
        stream.upload(there, source, logits.nbytes)
        stream.clear(totals)
        address = labels.address if labels_there is None else labels_there.address
        addresses = there.address, address, totals.address
        arguments = (*addresses, classes, classes, height * width, margin_scale(1.0))
        stream.launch(kernel, grid, BLOCK, 4 * (BLOCK // 32) * (2 * classes + 4), arguments)
        if labels_there is not None:
            stream.download(labels, labels_there, 2 * height * width)
        stream.download(counted, totals, 4 * (2 * classes + 4))
        stream.synchronize()
        found = labels.array.copy(), counted.array.copy()
        del stream, source, there, totals, labels, labels_there, counted, kernel
    return found


@pytest.mark.parametrize("kind", ["pinned", "mapped"])
@pytest.mark.parametrize("logits", CASES)
def test_decode_is_numpys(driver: Driver, cubin: bytes, logits: NDArray[Any], kind: MemoryKind) -> None:
    check_totals(*run(driver, cubin, logits, kind), decode(logits))


@pytest.mark.parametrize("shape", [(12, 360, 480), (19, 1024, 2048), (255, 64, 66), (11, 361, 481)])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_decode_at_real_sizes(driver: Driver, cubin: bytes, shape: tuple[int, int, int], dtype: Any) -> None:
    logits = np.random.default_rng(1).normal(0, 3, shape).astype(dtype)
    logits[:, : shape[1] // 2] = np.arange(shape[0])[:, None, None]  # a half where whole warps agree
    check_totals(*run(driver, cubin, logits, "pinned", grid=200), decode(logits))


def test_a_cubin_for_another_gpu_is_refused(driver: Driver) -> None:
    with driver.current(), pytest.raises(ModelError, match=r"can't run on .*build-engine --force"):
        driver.kernel(b"nonsense" + bytes(100), "decode_float16", "PPPiiif")


def test_streams_wait_for_each_other_and_a_graph_is_done_again(driver: Driver) -> None:
    if not driver.graphs:
        pytest.skip(f"{driver.name} captures no graphs")
    with driver.current():
        assert replayed(driver, (3, 7)) == [3, 7]


def replayed(driver: Driver, values: tuple[int, ...]) -> list[int]:
    """Each value uploaded on one stream and downloaded by a graph on another."""
    up, down = (driver.host_buffer((256,), np.uint8, "pinned") for _ in range(2))
    there, copies, work = driver.device_buffer(256), driver.stream(), driver.stream()
    begun, ended, uploaded, done = (driver.event() for _ in range(4))

    def captured() -> None:
        work.record(begun)
        work.download(down, there, 256)
        work.record(ended)

    graph, found = work.capture(captured), []
    for value in values:
        up.array[:] = value
        copies.upload(there, up, 256)
        copies.record(uploaded)
        work.wait_for(uploaded)
        graph.launch(work)
        work.record(done)
        done.wait()
        assert ended.ms_since(begun) >= 0 and (down.array == down.array[0]).all()
        found.append(int(down.array[0]))
    return found


def test_what_a_capture_forbids_is_no_lost_gpu(driver: Driver) -> None:
    if not driver.graphs:
        pytest.skip(f"{driver.name} captures no graphs")
    with driver.current():
        stream, event = driver.stream(), driver.event()
    with pytest.raises(DeviceLost, match="capturing") as caught, driver.current():
        stream.capture(stream.synchronize)
    assert not caught.value.sticky
    with driver.current():
        stream.record(event)
        event.wait()
        del stream, event


def test_a_sticky_fault_is_told_from_others(which: DriverKind) -> None:
    """In a process of its own: the context is lost for good."""
    from tests.gpu.conftest import open_gpu

    open_gpu(which).close()
    code = (
        "from edge_segnet.cuda.choice import open_driver\n"
        "from edge_segnet.core.errors import DeviceLost\n"
        "from tests.gpu.conftest import compiled\n"
        f"driver = open_driver({which!r})\n"
        "cubin = compiled(driver)\n"
        "try:\n"
        "    with driver.current(): driver.device_buffer(2**60)\n"
        "except DeviceLost as error: print(error.sticky, error)\n"
        "try:\n"
        "    with driver.current():\n"
        "        kernel, stream = driver.kernel(cubin, 'decode_float16', 'PPPiiif'), driver.stream()\n"
        "        stream.launch(kernel, 1, 256, 256, (64, 64, 64, 2, 2, 4096, 0.5))\n"
        "        stream.synchronize()\n"
        "except DeviceLost as error: print(error.sticky, error)\n"
        "import os; os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert "too little memory" in lines[0], done.stderr
    assert lines[1].startswith("True the GPU is lost"), done.stdout
