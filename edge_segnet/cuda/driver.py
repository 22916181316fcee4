"""CUDA through pycuda: the only file that imports it. Checked against pycuda 2024.1 and 2026.1."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edge_segnet.core.errors import DeviceLost, ModelError
from edge_segnet.cuda import interface
from edge_segnet.cuda.interface import DeviceBuffer, DeviceInfo, Event, HostBuffer, MemoryKind, Stream
from edge_segnet.cuda.probe import find_gpu

logger = logging.getLogger(__name__)


def _import_pycuda() -> Any:
    """pycuda's driver module; raises ModelError where it is missing or doesn't fit the machine."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of what it then raises
            import pycuda.driver
    except ImportError as error:
        if error.name in ("pycuda", "pycuda.driver"):
            raise ModelError("pycuda is not installed", hint="pip install 'edge-segnet[gpu]'") from error
        raise ModelError(
            f"pycuda can't be loaded ({error})", hint="build it on this machine: pip install --no-binary :all: pycuda"
        ) from error
    return pycuda.driver


class PycudaDriver:
    """The ``Driver`` of a real GPU: the primary context, which TensorRT uses as well."""

    name: Final = "pycuda"
    graphs: Final = False

    def __init__(self, index: int = 0) -> None:
        """Open GPU number ``index``.

        Raises:
            ModelError: no GPU, no driver, or no pycuda.
        """
        find_gpu()  # pycuda's import fails without a driver, and says so in many lines
        self._cuda = cuda = _import_pycuda()
        try:
            cuda.init()
            device = cuda.Device(index)
            attribute = cuda.device_attribute
            self.info = DeviceInfo(
                name=device.name(),
                compute_capability=tuple(device.compute_capability()),
                integrated=bool(device.get_attribute(attribute.INTEGRATED)),
                multiprocessors=device.get_attribute(attribute.MULTIPROCESSOR_COUNT),
            )
            self._context = device.retain_primary_context()
        except cuda.Error as error:
            raise interface.cant_open(index, error) from error

    def current(self) -> _Current:
        return _Current(self._cuda, self._context)

    def stream(self) -> Stream:
        return _Stream(self._cuda)

    def event(self) -> Event:
        return _Event(self._cuda)

    def device_buffer(self, nbytes: int) -> DeviceBuffer:
        return _DeviceBuffer(self._cuda, nbytes)

    def host_buffer(self, shape: tuple[int, ...], dtype: DTypeLike, kind: MemoryKind) -> HostBuffer:
        return _HostBuffer(self._cuda, shape, dtype, kind)

    def kernel(self, cubin: bytes, name: str, arguments: str) -> Any:
        try:
            module = self._cuda.module_from_buffer(cubin)
            return module.get_function(name).prepare(arguments)
        except self._cuda.LogicError as error:
            raise interface.kernel_refused(self.info, _words(error)) from error

    def memory(self) -> tuple[int, int]:
        free, total = self._cuda.mem_get_info()
        return int(free), int(total)

    def close(self) -> None:
        context, self._context = self._context, None
        if context is None:
            return
        try:
            context.push()  # pycuda lets go only what is current, or what this thread has made
            context.detach()
        except self._cuda.Error as error:
            logger.debug("the GPU's context could not be released: %s", error)


class _Current:
    """A class, because a generator's context manager costs a microsecond more per frame."""

    def __init__(self, cuda: Any, context: Any) -> None:
        self._cuda, self._context = cuda, context

    def __enter__(self) -> None:
        self._context.push()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if isinstance(error, self._cuda.Error):
                raise self._fault(error) from error
        finally:
            self._context.pop()

    def _fault(self, error: Exception) -> DeviceLost:
        if isinstance(error, self._cuda.MemoryError):
            return interface.out_of_memory(_words(error))
        try:
            self._cuda.Context.synchronize()
        except self._cuda.Error:
            return interface.lost(_words(error))
        return interface.refused(_words(error))


def _words(error: Exception) -> str:
    """pycuda's message in one line, without the dash that it leaves for a log that is empty."""
    return " ".join(str(error).split()).removesuffix(" -")


class _DeviceBuffer:
    def __init__(self, cuda: Any, nbytes: int) -> None:
        self._memory = cuda.mem_alloc(nbytes)
        self.address = int(self._memory)
        self.nbytes = nbytes


class _HostBuffer:
    def __init__(self, cuda: Any, shape: tuple[int, ...], dtype: DTypeLike, kind: MemoryKind) -> None:
        flags = cuda.host_alloc_flags.DEVICEMAP if kind == "mapped" else 0
        self._array = cuda.pagelocked_empty(shape, dtype, mem_flags=flags)
        self.address = int(self._array.base.get_device_pointer()) if kind == "mapped" else 0

    @property
    def array(self) -> NDArray[Any]:
        # Read-only, so that nobody can put an array here that is not page-locked.
        array: NDArray[Any] = self._array
        return array


class _Event:
    def __init__(self, cuda: Any) -> None:
        self.event = cuda.Event()

    def ms_since(self, earlier: Any) -> float:
        return float(self.event.time_since(earlier.event))

    def wait(self) -> None:
        self.event.synchronize()


class _Stream:
    def __init__(self, cuda: Any) -> None:
        self._cuda = cuda
        self._stream = cuda.Stream()
        self.handle = int(self._stream.handle)

    def upload(self, target: DeviceBuffer, source: HostBuffer, nbytes: int) -> None:
        self._cuda.memcpy_htod_async(target.address, _first(source.array, nbytes), self._stream)

    def download(self, target: HostBuffer, source: DeviceBuffer, nbytes: int) -> None:
        self._cuda.memcpy_dtoh_async(_first(target.array, nbytes), source.address, self._stream)

    def clear(self, target: DeviceBuffer) -> None:
        self._cuda.memset_d32_async(target.address, 0, target.nbytes // 4, self._stream)

    def launch(self, kernel: Any, grid: int, block: int, shared_bytes: int, arguments: Sequence[int | float]) -> None:
        kernel.prepared_async_call((grid, 1), (block, 1, 1), self._stream, *arguments, shared_size=shared_bytes)

    def record(self, event: Any) -> None:
        event.event.record(self._stream)

    def wait_for(self, event: Any) -> None:
        self._stream.wait_for_event(event.event)

    def synchronize(self) -> None:
        self._stream.synchronize()

    def capture(self, work: Callable[[], None]) -> NoReturn:
        raise NotImplementedError("pycuda captures no graphs")


def _first(array: NDArray[Any], nbytes: int) -> NDArray[Any]:
    return array if nbytes == array.nbytes else array.reshape(-1).view(np.uint8)[:nbytes]
