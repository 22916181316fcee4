"""A GPU in memory, with the driver's interface. It is strict where a real one is silent: nothing happens before
``synchronize``, new memory is garbage, an address means the buffer that it came from, and no call may stand outside
``with driver.current()``. ``fail`` breaks a call on demand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edge_segnet.core.errors import DeviceLost, ModelError
from edge_segnet.core.margins import margin_scale
from edge_segnet.cuda.interface import DeviceBuffer, DeviceInfo, HostBuffer, MemoryKind
from tests.cuda.reference import decode


class Fault(Exception):
    """What pycuda would raise inside; ``FakeDriver.current`` turns it into DeviceLost."""

    def __init__(self, message: str, *, sticky: bool) -> None:
        super().__init__(message)
        self.sticky = sticky


class _Buffer:
    def __init__(self, memory: NDArray[np.uint8], address: int) -> None:
        self.memory, self.address, self.nbytes = memory, address, memory.nbytes


class _Host:
    def __init__(self, array: NDArray[Any], address: int) -> None:
        self._array, self.address = array, address

    @property
    def array(self) -> NDArray[Any]:
        return self._array


class _Event:
    passed = False
    captured = False

    def __init__(self, driver: FakeDriver) -> None:
        self._driver = driver
        self.stream: FakeStream | None = None

    def ms_since(self, earlier: Any) -> float:
        assert self.passed and earlier.passed, "an event was read that has not passed"
        return 0.25

    def wait(self) -> None:
        self._driver.called("wait")
        assert self.stream is not None and not self.captured, "nobody can wait for an event of a graph"
        self.stream.work_until(self)


class _Graph:
    def __init__(self, driver: FakeDriver, work: list[Callable[[], None]]) -> None:
        self._driver, self._work = driver, work

    def launch(self, stream: Any) -> None:
        self._driver.called("graph")
        stream.queue += self._work


class FakeDriver:
    """``calls`` lists what was asked, in order; ``fail[call]`` is how often it still works, then the fault."""

    name = "fake"

    def __init__(self, *, integrated: bool = False, capability: tuple[int, int] = (8, 7), graphs: bool = False) -> None:
        self.graphs = graphs
        self.streams: dict[int, FakeStream] = {}
        self.working = threading.RLock()
        """Held while the GPU works: it is one, whoever waits for it."""
        self.info = DeviceInfo("Fake GPU", capability, integrated, multiprocessors=8)
        self.calls: list[str] = []
        self.fail: dict[str, tuple[int, Fault]] = {}
        self.broken: Fault | None = None
        self.closed = 0
        self.allocations = 0
        self.skip_kernel = False
        self._spaces: dict[int, NDArray[np.uint8]] = {}
        self._inside = 0
        self._rng = np.random.default_rng(0)

    @contextmanager
    def current(self) -> Iterator[None]:
        assert not self.closed, "used after close"
        self._inside += 1
        try:
            yield
        except Fault as fault:
            raise DeviceLost(str(fault), sticky=fault.sticky) from fault
        finally:
            self._inside -= 1

    def called(self, name: str) -> None:
        assert self._inside, f"{name} outside of the context"
        self.calls.append(name)
        if self.broken is not None:
            raise self.broken
        if name in self.fail:
            left, fault = self.fail[name]
            self.fail[name] = left - 1, fault
            if left <= 0:
                self.broken = fault if fault.sticky else None
                raise fault

    def stream(self) -> FakeStream:
        self.called("stream")
        made = self.streams[77 + len(self.streams)] = FakeStream(self, 77 + len(self.streams))
        return made

    def event(self) -> _Event:
        self.called("event")
        return _Event(self)

    def device_buffer(self, nbytes: int) -> DeviceBuffer:
        self.called("device_buffer")
        return _Buffer(*self._allocate(nbytes))

    def host_buffer(self, shape: tuple[int, ...], dtype: DTypeLike, kind: MemoryKind) -> HostBuffer:
        self.called("host_buffer")
        memory, address = self._allocate(int(np.prod(shape)) * np.dtype(dtype).itemsize)
        return _Host(memory.view(dtype).reshape(shape), address if kind == "mapped" else 0)

    def _allocate(self, nbytes: int) -> tuple[NDArray[np.uint8], int]:
        self.allocations += 1
        memory = self._rng.integers(0, 256, nbytes, dtype=np.uint8)
        address = 0x10000 * (len(self._spaces) + 1) << 16
        self._spaces[address] = memory
        return memory, address

    def at(self, address: int) -> NDArray[np.uint8]:
        """What lies there, to the end of its buffer."""
        start = max(place for place in self._spaces if place <= address)
        return self._spaces[start][address - start :]

    def kernel(self, cubin: bytes, name: str, arguments: str) -> Any:
        self.called("kernel")
        if cubin != b"cubin":
            raise ModelError("the decode kernel can't run on Fake GPU")
        assert arguments == "PPPiiif"
        return name

    def memory(self) -> tuple[int, int]:
        self.called("memory")
        return 1_000_000_000, 8_000_000_000

    def close(self) -> None:
        self.closed += 1


class FakeStream:
    """Queues its work; ``synchronize``, or a wait for an event of it, does it."""

    def __init__(self, driver: FakeDriver, handle: int) -> None:
        self.driver, self.handle = driver, handle
        self.queue: list[Callable[[], None]] = []
        self._capturing = False

    def upload(self, target: Any, source: Any, nbytes: int) -> None:
        self.driver.called("upload")
        self.queue.append(lambda: np.copyto(target.memory[:nbytes], source.array.reshape(-1).view(np.uint8)[:nbytes]))

    def download(self, target: Any, source: Any, nbytes: int) -> None:
        self.driver.called("download")
        self.queue.append(lambda: np.copyto(target.array.reshape(-1).view(np.uint8)[:nbytes], source.memory[:nbytes]))

    def clear(self, target: Any) -> None:
        self.driver.called("clear")
        assert target.nbytes % 4 == 0
        self.queue.append(lambda: target.memory.fill(0))

    def launch(self, kernel: Any, grid: int, block: int, shared_bytes: int, arguments: Sequence[int | float]) -> None:
        self.driver.called("launch")
        logits, labels, totals, channels, classes, plane, scale = arguments
        assert grid >= 1 and block == 256 and shared_bytes == 4 * 8 * (2 * int(classes) + 4)
        dtype = np.float16 if kernel == "decode_float16" else np.float32

        def run() -> None:
            if self.driver.skip_kernel:
                return
            size = int(channels) * int(plane) * np.dtype(dtype).itemsize
            values = self.driver.at(int(logits))[:size].view(dtype).reshape(int(channels), 1, int(plane))
            found = decode(values, margin_scale(1.0) / float(scale), int(classes))
            flat = np.concatenate([found.labels, found.margins]).ravel()
            np.copyto(self.driver.at(int(labels))[: flat.size], flat)
            counted = np.array([*found.counts, *found.uncertain, found.broken], np.uint32)
            summed = np.array([round(4096 * found.winning)], np.int64).view(np.uint32)
            sums = np.concatenate([summed, counted])
            self.driver.at(int(totals))[: sums.nbytes].view(np.uint32)[:] += sums

        self.queue.append(run)

    def record(self, event: Any) -> None:
        self.driver.called("record")
        event.passed, event.captured, event.stream = False, self._capturing, self

        def run() -> None:
            event.passed = True

        self.queue.append(run)

    def wait_for(self, event: Any) -> None:
        self.driver.called("wait_for")
        self.queue.append(lambda: event.stream.work_until(event))

    def work_until(self, event: Any) -> None:
        """Do what was queued, until the event passes."""
        with self.driver.working:
            while not event.passed:
                self.queue.pop(0)()

    def capture(self, work: Callable[[], None]) -> _Graph:
        self.driver.called("capture")
        before, self.queue = self.queue, []
        self._capturing = True
        try:
            work()
            return _Graph(self.driver, self.queue)
        finally:
            self._capturing = False
            self.queue = before

    def synchronize(self) -> None:
        self.driver.called("synchronize")
        with self.driver.working:
            while self.queue:
                self.queue.pop(0)()
