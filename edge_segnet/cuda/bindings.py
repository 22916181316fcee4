"""CUDA through NVIDIA's ``cuda-bindings``: the only file that imports them. No compiler on the board, and graphs.

Checked against 13.5; what is called is the driver's C interface as it has been since CUDA 12.0.
"""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from edge_segnet.core.errors import DeviceLost, ModelError
from edge_segnet.cuda import interface
from edge_segnet.cuda.interface import DeviceBuffer, DeviceInfo, Event, Graph, HostBuffer, MemoryKind, Stream
from edge_segnet.cuda.probe import find_gpu

logger = logging.getLogger(__name__)
_TYPES: Final = {"P": ctypes.c_void_p, "i": ctypes.c_int, "f": ctypes.c_float}
# Of cuda.h: CUresult, CUdevice_attribute, and flags of allocations, streams, event nodes and captures.
_OUT_OF_MEMORY: Final = 2
_MULTIPROCESSORS, _INTEGRATED, _MAJOR, _MINOR = 16, 18, 75, 76
_DEVICEMAP, _NON_BLOCKING, _EXTERNAL = 2, 1, 1


def _import_bindings() -> Any:
    """NVIDIA's module; raises ModelError where it is missing or can't be loaded."""
    try:
        from cuda.bindings import driver
    except ImportError as error:
        if (error.name or "").split(".")[0] == "cuda":
            hint = "pip install 'edge-segnet[cuda-bindings]'"
            raise ModelError("cuda-bindings is not installed", hint=hint) from error
        raise ModelError(f"cuda-bindings can't be loaded ({error})", hint="install it again") from error
    return driver


class _CudaError(Exception):
    """A call that failed; ``current`` makes of it what callers know."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class _Api:
    """The driver's calls: the answer, or ``_CudaError``."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def __call__(self, answer: Any) -> Any:
        """The value of an answer (status, value)."""
        if answer[0]:
            raise self._error(answer[0])
        return answer[1] if len(answer) > 1 else None

    def _error(self, status: Any) -> _CudaError:
        refused, words = self.driver.cuGetErrorString(status)
        text = str(status) if refused or not words else words.decode(errors="replace")
        return _CudaError(int(status), text)


class BindingsDriver:
    """The ``Driver`` of a real GPU: the primary context, which TensorRT uses as well."""

    name: Final = "cuda-bindings"
    graphs: Final = True

    def __init__(self, index: int = 0) -> None:
        """Open GPU number ``index``.

        Raises:
            ModelError: no GPU, no driver, or no cuda-bindings.
        """
        find_gpu()
        driver = _import_bindings()
        self._api = api = _Api(driver)
        try:
            api(driver.cuInit(0))
            self._device = device = api(driver.cuDeviceGet(index))
            number = driver.CUdevice_attribute
            major, minor, processors, integrated = (
                int(api(driver.cuDeviceGetAttribute(number(which), device)))
                for which in (_MAJOR, _MINOR, _MULTIPROCESSORS, _INTEGRATED)
            )
            name = api(driver.cuDeviceGetName(256, device)).split(b"\0")[0].decode(errors="replace")
            self.info = DeviceInfo(name, (major, minor), bool(integrated), processors)
            self._context = api(driver.cuDevicePrimaryCtxRetain(device))
        except _CudaError as error:
            raise interface.cant_open(index, error) from error

    def current(self) -> _Current:
        return _Current(self._api, self._context)

    def stream(self) -> Stream:
        return _Stream(self._api)

    def event(self) -> Event:
        return _Event(self._api)

    def device_buffer(self, nbytes: int) -> DeviceBuffer:
        return _DeviceBuffer(self._api, nbytes)

    def host_buffer(self, shape: tuple[int, ...], dtype: DTypeLike, kind: MemoryKind) -> HostBuffer:
        return _HostBuffer(self._api, shape, dtype, kind)

    def kernel(self, cubin: bytes, name: str, arguments: str) -> Any:
        driver = self._api.driver
        try:
            module = self._api(driver.cuModuleLoadData(cubin))
            function = self._api(driver.cuModuleGetFunction(module, name.encode()))
        except _CudaError as error:
            raise interface.kernel_refused(self.info, error) from error
        return _Kernel(module, function, tuple(_TYPES[letter] for letter in arguments))

    def memory(self) -> tuple[int, int]:
        status, free, total = self._api.driver.cuMemGetInfo()
        self._api((status,))
        return int(free), int(total)

    def close(self) -> None:
        context, self._context = self._context, None
        if context is None:
            return
        try:
            self._api(self._api.driver.cuDevicePrimaryCtxRelease(self._device))
        except _CudaError as error:
            logger.debug("the GPU's context could not be released: %s", error)


class _Current:
    def __init__(self, api: _Api, context: Any) -> None:
        self._api, self._context = api, context

    def __enter__(self) -> None:
        try:
            self._api(self._api.driver.cuCtxPushCurrent(self._context))
        except _CudaError as error:
            raise interface.lost(error) from error

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if isinstance(error, _CudaError):
                raise self._fault(error) from error
        finally:
            self._api.driver.cuCtxPopCurrent()

    def _fault(self, error: _CudaError) -> DeviceLost:
        if error.status == _OUT_OF_MEMORY:
            return interface.out_of_memory(error)
        try:
            self._api(self._api.driver.cuCtxSynchronize())
        except _CudaError:
            return interface.lost(error)
        return interface.refused(error)


@dataclass(frozen=True)
class _Kernel:
    """``module`` is held, since the function lives in it."""

    module: Any
    function: Any
    types: tuple[Any, ...]


class _DeviceBuffer:
    def __init__(self, api: _Api, nbytes: int) -> None:
        self._driver, self.nbytes = api.driver, nbytes
        self.address = 0
        self.address = int(api(api.driver.cuMemAlloc(nbytes)))

    def __del__(self) -> None:
        if self.address:
            self._driver.cuMemFree(self.address)


class _HostBuffer:
    def __init__(self, api: _Api, shape: tuple[int, ...], dtype: DTypeLike, kind: MemoryKind) -> None:
        self._driver, kept = api.driver, np.dtype(dtype)
        nbytes = int(np.prod(shape)) * kept.itemsize
        self.place = 0
        self.place = int(api(api.driver.cuMemHostAlloc(nbytes, _DEVICEMAP if kind == "mapped" else 0)))
        self.address = int(api(api.driver.cuMemHostGetDevicePointer(self.place, 0))) if kind == "mapped" else 0
        memory = np.ctypeslib.as_array((ctypes.c_uint8 * nbytes).from_address(self.place))
        self._array: NDArray[Any] = memory.view(kept).reshape(shape)

    @property
    def array(self) -> NDArray[Any]:
        return self._array

    def __del__(self) -> None:
        if self.place:
            self._driver.cuMemFreeHost(self.place)


class _Event:
    def __init__(self, api: _Api) -> None:
        self._api, self.event = api, None
        self.event = api(api.driver.cuEventCreate(0))

    def ms_since(self, earlier: Any) -> float:
        return float(self._api(self._api.driver.cuEventElapsedTime(earlier.event, self.event)))

    def wait(self) -> None:
        self._api(self._api.driver.cuEventSynchronize(self.event))

    def __del__(self) -> None:
        if self.event is not None:
            self._api.driver.cuEventDestroy(self.event)


class _Graph:
    def __init__(self, api: _Api, captured: Any) -> None:
        self._api, self._graph = api, None
        try:
            self._graph = api(api.driver.cuGraphInstantiate(captured, 0))
        finally:
            api.driver.cuGraphDestroy(captured)

    def launch(self, stream: Any) -> None:
        self._api(self._api.driver.cuGraphLaunch(self._graph, stream.stream))

    def __del__(self) -> None:
        if self._graph is not None:
            self._api.driver.cuGraphExecDestroy(self._graph)


class _Stream:
    """Not ordered with the default stream, which other libraries use, and which must not come between in a capture."""

    def __init__(self, api: _Api) -> None:
        self._api, self._driver = api, api.driver
        self._capturing = False
        self.stream = None
        self.stream = api(api.driver.cuStreamCreate(_NON_BLOCKING))
        self.handle = int(self.stream)

    def upload(self, target: DeviceBuffer, source: Any, nbytes: int) -> None:
        self._api(self._driver.cuMemcpyHtoDAsync(target.address, source.place, nbytes, self.stream))

    def download(self, target: Any, source: DeviceBuffer, nbytes: int) -> None:
        self._api(self._driver.cuMemcpyDtoHAsync(target.place, source.address, nbytes, self.stream))

    def clear(self, target: DeviceBuffer) -> None:
        self._api(self._driver.cuMemsetD32Async(target.address, 0, target.nbytes // 4, self.stream))

    def launch(self, kernel: Any, grid: int, block: int, shared_bytes: int, arguments: Sequence[int | float]) -> None:
        given = tuple(arguments), kernel.types
        self._api(
            self._driver.cuLaunchKernel(kernel.function, grid, 1, 1, block, 1, 1, shared_bytes, self.stream, given, 0)
        )

    def record(self, event: Any) -> None:
        # In a graph an event is a node, or it could not be read when the graph has run.
        flags = _EXTERNAL if self._capturing else 0
        self._api(self._driver.cuEventRecordWithFlags(event.event, self.stream, flags))

    def wait_for(self, event: Any) -> None:
        self._api(self._driver.cuStreamWaitEvent(self.stream, event.event, 0))

    def synchronize(self) -> None:
        self._api(self._driver.cuStreamSynchronize(self.stream))

    def capture(self, work: Callable[[], None]) -> Graph:
        mode = self._driver.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
        self._api(self._driver.cuStreamBeginCapture(self.stream, mode))
        self._capturing = True
        try:
            work()
        except BaseException:
            self._driver.cuStreamEndCapture(self.stream)
            raise
        finally:
            self._capturing = False
        return _Graph(self._api, self._api(self._driver.cuStreamEndCapture(self.stream)))

    def __del__(self) -> None:
        if self.stream is not None:
            self._driver.cuStreamDestroy(self.stream)
