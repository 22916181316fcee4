"""What the loop asks of CUDA. ``driver.PycudaDriver`` answers it with pycuda, ``bindings.BindingsDriver`` with
NVIDIA's ``cuda-bindings``, the tests with a fake.

Every call but ``current`` itself must stand inside ``with driver.current():``, which also turns CUDA's failures into
``DeviceLost``. Streams copy and launch without waiting; ``Event.wait`` is where the loop waits, once per frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from numpy.typing import DTypeLike, NDArray

from edge_segnet.core.errors import DeviceLost, ModelError

MemoryKind = Literal["pinned", "mapped"]
Memory = Literal["auto", "pinned", "mapped"]
"""How frames and labels travel: copied from and to page-locked memory, or read in place by the GPU (zero-copy)."""
DriverKind = Literal["auto", "pycuda", "cuda-bindings"]
"""Who speaks to CUDA; ``auto``: cuda-bindings where it is installed, which alone captures graphs."""


@dataclass(frozen=True)
class DeviceInfo:
    """``compute_capability`` is (major, minor); ``integrated`` GPUs share the host's memory (every Jetson)."""

    name: str
    compute_capability: tuple[int, int]
    integrated: bool
    multiprocessors: int


RESTART: Final = "the process must be restarted; if it happens again look at: dmesg | grep -i -e nvgpu -e nvrm"


def cant_open(index: int, reason: object) -> ModelError:
    """GPU number ``index``."""
    return ModelError(f"GPU {index} can't be opened ({reason})", hint="check it with: nvidia-smi")


def kernel_refused(info: DeviceInfo, reason: object) -> ModelError:
    """The decode kernel was compiled for other GPUs."""
    major, minor = info.compute_capability
    return ModelError(
        f"the decode kernel can't run on {info.name}, sm_{major}{minor} ({reason})",
        hint="build the engine again on this machine: edge-segnet build-engine --force",
    )


def out_of_memory(reason: object) -> DeviceLost:
    """Of the GPU's."""
    return DeviceLost(f"the GPU has too little memory ({reason})", hint="free some, or use a smaller network")


def lost(reason: object) -> DeviceLost:
    """A sticky error: it comes back from every later call of the process."""
    return DeviceLost(f"the GPU is lost ({reason})", hint=RESTART)


def refused(reason: object) -> DeviceLost:
    """A call failed, and later ones may succeed."""
    return DeviceLost(f"the GPU refused a call ({reason})", hint=RESTART, sticky=False)


class DeviceBuffer(Protocol):
    """Memory on the GPU."""

    @property
    def address(self) -> int: ...

    @property
    def nbytes(self) -> int: ...


class HostBuffer(Protocol):
    """Page-locked memory. ``array`` can be filled and read, never replaced: another array would not be page-locked."""

    @property
    def array(self) -> NDArray[Any]: ...

    @property
    def address(self) -> int:
        """Where the GPU sees a mapped buffer; 0 for one that is only pinned."""
        ...


class Event(Protocol):
    """A point in a stream."""

    def ms_since(self, earlier: Event) -> float:
        """Milliseconds of GPU time between two recorded events that have passed."""
        ...

    def wait(self) -> None:
        """Until it has passed, without holding up other threads. Not for one that a graph records: only the stream
        knows when that is.
        """
        ...


class Graph(Protocol):
    """Work that was captured, to be started by one call."""

    def launch(self, stream: Stream) -> None: ...


class Stream(Protocol):
    """An order of work on the GPU."""

    @property
    def handle(self) -> int: ...

    def upload(self, target: DeviceBuffer, source: HostBuffer, nbytes: int) -> None:
        """The first ``nbytes`` of it."""
        ...

    def download(self, target: HostBuffer, source: DeviceBuffer, nbytes: int) -> None:
        """The first ``nbytes`` of it."""
        ...

    def clear(self, target: DeviceBuffer) -> None:
        """Zero a buffer (of whole 32-bit words)."""
        ...

    def launch(self, kernel: Any, grid: int, block: int, shared_bytes: int, arguments: Sequence[int | float]) -> None:
        """Start ``kernel`` (of ``Driver.kernel``) with one-dimensional ``grid`` and ``block``."""
        ...

    def record(self, event: Event) -> None: ...

    def wait_for(self, event: Event) -> None:
        """Whatever comes next waits for an event of another stream."""
        ...

    def synchronize(self) -> None:
        """Wait until everything before is done, without holding up other threads."""
        ...

    def capture(self, work: Callable[[], None]) -> Graph:
        """What ``work`` puts on this stream, without doing it. Its events can be read after the graph has run. Only
        where ``Driver.graphs``.
        """
        ...


class Driver(Protocol):
    """One GPU. ``name`` is a ``DriverKind``; ``graphs``: whether its streams capture."""

    @property
    def name(self) -> str: ...

    @property
    def graphs(self) -> bool: ...

    @property
    def info(self) -> DeviceInfo: ...

    def current(self) -> AbstractContextManager[None]:
        """Makes the GPU's primary context this thread's own for a while.

        Raises:
            DeviceLost: a call inside failed; ``sticky`` says whether every later call will fail as well.
        """
        ...

    def stream(self) -> Stream: ...

    def event(self) -> Event: ...

    def device_buffer(self, nbytes: int) -> DeviceBuffer: ...

    def host_buffer(self, shape: tuple[int, ...], dtype: DTypeLike, kind: MemoryKind) -> HostBuffer: ...

    def kernel(self, cubin: bytes, name: str, arguments: str) -> Any:
        """A function of a cubin; ``arguments`` are its types, as in ``struct``: P pointer, i int, f float.

        Raises:
            ModelError: this GPU can't run the cubin.
        """
        ...

    def memory(self) -> tuple[int, int]:
        """Free and total bytes of the GPU's memory."""
        ...

    def close(self) -> None:
        """Let the primary context go; everything made here must be gone before."""
        ...
