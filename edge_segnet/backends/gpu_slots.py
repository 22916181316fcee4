"""A place for frames on their way through the GPU: page-locked memory, its twins there, events, and the order of work.

    upload ─► network ─► clear, decode each frame ─► download ─► done          one call where a graph was captured

Two slots are two in flight. They share the stream that computes, which keeps the network's frames apart; then uploads
have a stream of their own, and one runs under the other slot's network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

import numpy as np

from edge_segnet.backends.decoded import Decoded, from_kernel
from edge_segnet.core.calibration import Calibration
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import DeviceLost
from edge_segnet.core.margins import margin_scale
from edge_segnet.core.types import Fit, Image
from edge_segnet.cuda.interface import DeviceInfo, Driver, Graph, MemoryKind, Stream
from edge_segnet.graph.lower import Precision

STAGES: Final = ("upload", "network", "decode", "download")
BLOCK: Final = 256
"""Threads per block, as in decode.cu."""
ARGUMENTS: Final = "PPPiiif"
_PER_THREAD: Final = 4
"""Pixels, as in ``decode.cu``."""
_BLOCKS_PER_MULTIPROCESSOR: Final = 8
"""The kernel walks over the picture with a stride, so more blocks than a multiprocessor holds at once would only wait.
"""
_SIZES: Final[Mapping[Precision, int]] = {"fp16": 2, "fp32": 4, "int8": 2}
"""Bytes of a logit."""
Start = Callable[[int], None]
"""Starts a network on the stream of that handle."""


class Network(Protocol):
    """Something that turns frames at one address into logits at another, in a stream's order."""

    def bind(self, frame: int, logits: int, count: int) -> Start:
        """What starts it on ``count`` frames there. A graph may hold it, so the addresses are its own for good."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Spec:
    """What the loop must know of a network."""

    name: str
    classes: ClassMap
    size: tuple[int, int]
    """(width, height)"""
    fit: Fit
    precision: Precision
    calibration: Calibration | None = None
    void_output: bool = False
    max_batch: int = 1

    @property
    def channels(self) -> int:
        """Of the logits."""
        return len(self.classes) + self.void_output

    @property
    def pixels(self) -> int:
        """Of a frame."""
        return self.size[0] * self.size[1]

    @property
    def totals(self) -> int:
        """Numbers that the kernel sums for a frame."""
        return 2 * len(self.classes) + 4


class Decoder:
    """``decode.cu`` with all that stays the same for a network."""

    def __init__(self, driver: Driver, spec: Spec, cubin: bytes) -> None:
        """Raises ModelError: this GPU can't run it."""
        entry = "decode_float16" if _SIZES[spec.precision] == 2 else "decode_float32"
        self._kernel = driver.kernel(cubin, entry, ARGUMENTS)
        self._spec = spec
        temperature = 1.0 if spec.calibration is None else spec.calibration.temperature
        self._facts = spec.channels, len(spec.classes), spec.pixels, margin_scale(temperature)
        self._grid = _grid(driver.info, spec.pixels)
        self._shared_bytes = 4 * (BLOCK // 32) * spec.totals

    def arguments(self, at: int, logits: int, labels: int, totals: int) -> tuple[int | float, ...]:
        """For frame number ``at`` of those that begin at three addresses."""
        spec = self._spec
        frame = at * _SIZES[spec.precision] * spec.channels * spec.pixels, 2 * at * spec.pixels, 4 * at * spec.totals
        return logits + frame[0], labels + frame[1], totals + frame[2], *self._facts

    def launch(self, stream: Stream, arguments: tuple[int | float, ...]) -> None:
        """One frame."""
        stream.launch(self._kernel, self._grid, BLOCK, self._shared_bytes, arguments)


def _grid(info: DeviceInfo, pixels: int) -> int:
    threads = -(-pixels // (1 if pixels % _PER_THREAD else _PER_THREAD))
    return min(-(-threads // BLOCK), _BLOCKS_PER_MULTIPROCESSOR * info.multiprocessors)


class _Buffers:
    """Every byte of a slot. Mapped memory is read and written by the GPU in place and needs no twin."""

    def __init__(self, driver: Driver, spec: Spec, kind: MemoryKind) -> None:
        (width, height), most = spec.size, spec.max_batch
        self.frames = driver.host_buffer((most, height, width, 3), np.uint8, kind)
        self.labels = driver.host_buffer((most, 2, height, width), np.uint8, kind)  # and margins
        self.totals = driver.host_buffer((most, spec.totals), np.uint32, "pinned")
        mapped = kind == "mapped"
        self.frames_twin = None if mapped else driver.device_buffer(3 * most * spec.pixels)
        self.labels_twin = None if mapped else driver.device_buffer(2 * most * spec.pixels)
        # The GPU adds to these atomically, which mapped memory is bad at; they are a hundred bytes.
        self.totals_twin = driver.device_buffer(4 * most * spec.totals)
        self.logits = driver.device_buffer(_SIZES[spec.precision] * most * spec.channels * spec.pixels)

    @property
    def frames_address(self) -> int:
        return self.frames.address if self.frames_twin is None else self.frames_twin.address

    @property
    def labels_address(self) -> int:
        return self.labels.address if self.labels_twin is None else self.labels_twin.address


@dataclass(frozen=True, eq=False)
class Streams:
    """``copies`` is ``work`` itself where one slot is all there is."""

    work: Stream
    copies: Stream


class Slot:
    """One slot. All of it lives inside ``with driver.current():``."""

    def __init__(
        self, driver: Driver, spec: Spec, kind: MemoryKind, network: Network, decoder: Decoder, streams: Streams
    ) -> None:
        self._spec, self._decoder, self._streams = spec, decoder, streams
        self.buffers = buffers = _Buffers(driver, spec, kind)
        self._starts = [
            network.bind(buffers.frames_address, buffers.logits.address, count + 1) for count in range(spec.max_batch)
        ]
        self._apart = streams.copies is not streams.work and buffers.frames_twin is not None
        self._events = [driver.event() for _ in range(5)]
        self._begun = driver.event() if self._apart else self._events[1]
        self._done = driver.event()
        """Never part of a graph: it is waited for."""
        self._graphs: dict[int, Graph] = {}
        self._prepare()

    def _prepare(self) -> None:
        """What every frame needs, and is the same for each: a view of an array costs as much as a call of CUDA's."""
        buffers, (up, uploaded, network, decode, down) = self.buffers, self._events
        self._places = list(buffers.frames.array)
        self._found = list(zip(buffers.labels.array, buffers.totals.array, strict=True))
        self._upload_bytes = 3 * self._spec.pixels
        addresses = buffers.logits.address, buffers.labels_address, buffers.totals_twin.address
        self._decodings = [self._decoder.arguments(at, *addresses) for at in range(self._spec.max_batch)]
        begins = up, self._begun, network, decode
        self._stages = list(zip(STAGES, begins, (uploaded, network, decode, down), strict=True))

    def capture(self) -> None:
        """From now on by graphs, one for each number of frames; each has run once when this returns.

        Raises:
            whatever the driver raises inside ``current``, where the network can't be captured.
        """
        self.buffers.frames.array[:] = 0
        graphs, work = {}, self._streams.work
        for count in range(1, self._spec.max_batch + 1):
            self.start(count)  # a network makes what it needs at its first run
            self._done.wait()
            graphs[count] = work.capture(partial(self._captured, count))
        self._graphs = graphs
        try:
            for count in graphs:
                self.start(count)
                self._done.wait()
                self.stages_ms()
        except BaseException:
            self._graphs = {}
            raise

    def _captured(self, count: int) -> None:
        if not self._apart:
            self._upload(count)
        self._compute(count)

    def fill(self, at: int, image: Image) -> None:
        """The one copy that a frame takes on the host."""
        np.copyto(self._places[at], image)

    def start(self, count: int) -> None:
        """Put ``count`` frames on their way."""
        work = self._streams.work
        if self._apart:
            self._upload(count)
            work.wait_for(self._events[1])
        graph = self._graphs.get(count)
        if graph is None:
            self._captured(count)
        else:
            graph.launch(work)
        work.record(self._done)

    def _upload(self, count: int) -> None:
        copies, buffers = self._streams.copies if self._apart else self._streams.work, self.buffers
        copies.record(self._events[0])
        if buffers.frames_twin is not None:
            copies.upload(buffers.frames_twin, buffers.frames, self._upload_bytes * count)
        copies.record(self._events[1])

    def _compute(self, count: int) -> None:
        buffers, work, events = self.buffers, self._streams.work, self._events
        if self._apart:
            work.record(self._begun)
        self._starts[count - 1](work.handle)
        work.record(events[2])
        work.clear(buffers.totals_twin)
        for arguments in self._decodings[:count]:
            self._decoder.launch(work, arguments)
        work.record(events[3])
        if buffers.labels_twin is not None:
            work.download(buffers.labels, buffers.labels_twin, 2 * count * self._spec.pixels)
        work.download(buffers.totals, buffers.totals_twin, 4 * count * self._spec.totals)
        work.record(events[4])

    def wait(self) -> None:
        """Until its frames are done."""
        self._done.wait()

    def decoded(self, at: int) -> Decoded:
        """Of a frame that is done. Copies out of the page-locked memory, which the next frame overwrites.

        Raises:
            DeviceLost: the kernel did not see every pixel.
        """
        pixels, totals = self._found[at]
        decoded = from_kernel(pixels.copy(), totals)
        if (counted := sum(decoded.counts.tolist())) != self._spec.pixels:
            raise DeviceLost(f"the decode kernel counted {counted} of {self._spec.pixels} pixels", sticky=False)
        return decoded

    def stages_ms(self) -> dict[str, float]:
        """Milliseconds on the GPU, by stage, of all frames together."""
        return {stage: end.ms_since(begin) for stage, begin, end in self._stages}

    def bare_ms(self) -> float:
        """Of the network alone, on one frame, whatever lies there."""
        work, (begin, _, end, *_) = self._streams.work, self._events
        work.record(begin)
        self._starts[0](work.handle)
        work.record(end)
        work.record(self._done)
        self._done.wait()
        return end.ms_since(begin)

    @property
    def graphs(self) -> int:
        """How many it has."""
        return len(self._graphs)


def make_streams(driver: Driver, slots: int) -> Streams:
    """For so many slots."""
    work: Any = driver.stream()
    return Streams(work, driver.stream() if slots > 1 else work)
