"""A GPU in memory, with the driver's interface. It is strict where a real one is silent: nothing happens before
``synchronize``, new memory is garbage, an address means the buffer that it came from, and no call may stand outside
``with driver.current()``. ``fail`` breaks a call on demand.
"""

from __future__ import annotations

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

    def ms_since(self, earlier: Any) -> float:
        assert self.passed and earlier.passed, "an event was read that has not passed"
        return 0.25


class FakeDriver:
    """``calls`` lists what was asked, in order; ``fail[call]`` is how often it still works, then the fault."""

    def __init__(self, *, integrated: bool = False, capability: tuple[int, int] = (8, 7)) -> None:
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
        return FakeStream(self)

    def event(self) -> _Event:
        self.called("event")
        return _Event()

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
        """The buffer that begins there."""
        return self._spaces[address]

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
    """Queues its work; ``synchronize`` does it."""

    handle = 77

    def __init__(self, driver: FakeDriver) -> None:
        self.driver = driver
        self.queue: list[Callable[[], None]] = []

    def upload(self, target: Any, source: Any) -> None:
        self.driver.called("upload")
        self.queue.append(lambda: np.copyto(target.memory, source.array.reshape(-1).view(np.uint8)))

    def download(self, target: Any, source: Any) -> None:
        self.driver.called("download")
        self.queue.append(lambda: np.copyto(target.array.reshape(-1).view(np.uint8), source.memory))

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
            values = self.driver.at(int(logits)).view(dtype).reshape(int(channels), 1, int(plane))
            found = decode(values, margin_scale(1.0) / float(scale), int(classes))
            np.copyto(self.driver.at(int(labels)), np.concatenate([found.labels, found.margins]).ravel())
            counted = np.array([*found.counts, *found.uncertain, found.broken], np.uint32)
            summed = np.array([round(4096 * found.winning)], np.int64).view(np.uint32)
            self.driver.at(int(totals)).view(np.uint32)[:] += np.concatenate([summed, counted])

        self.queue.append(run)

    def record(self, event: Any) -> None:
        self.driver.called("record")

        def run() -> None:
            event.passed = True

        self.queue.append(run)

    def synchronize(self) -> None:
        self.driver.called("synchronize")
        for work in self.queue:
            work()
        self.queue.clear()
