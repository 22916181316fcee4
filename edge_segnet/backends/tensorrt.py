"""TensorRT on the GPU. All memory is made before the loop; a frame is copied once into page-locked memory, uploaded,
run, decoded to labels and counts on the GPU, downloaded, and waited for once.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np

from edge_segnet.backends.decoded import from_kernel, segmentation
from edge_segnet.core.calibration import Calibration
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import DeviceLost, ModelError
from edge_segnet.core.margins import margin_scale
from edge_segnet.core.types import Done, Fit, Frame, Image, Labels, Segmentation
from edge_segnet.cuda.interface import Driver, Memory, MemoryKind
from edge_segnet.engine import golden
from edge_segnet.engine.library import find_library
from edge_segnet.engine.load import EngineNetwork, Verified, check_machine, check_source, verify
from edge_segnet.engine.manifest import EngineFile
from edge_segnet.graph.card import LoweredModel, ModelCard, OnnxModel
from edge_segnet.graph.lower import Precision

logger = logging.getLogger(__name__)
STAGES: Final = ("upload", "network", "decode", "download")
BLOCK: Final = 256
"""Threads per block, as in decode.cu."""
_PER_THREAD: Final = 4
_BLOCKS_PER_MULTIPROCESSOR: Final = 8
"""The kernel walks over the picture with a stride, so more blocks than a multiprocessor holds at once would only wait.
"""
_ARGUMENTS: Final = "PPPiiif"


class Network(Protocol):
    """Something that turns the frame at one address into logits at another, in a stream's order."""

    def bind(self, frame: int, logits: int) -> None: ...

    def enqueue(self, stream: int) -> None: ...

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

    @property
    def channels(self) -> int:
        """Of the logits."""
        return len(self.classes) + self.void_output


class SelfTestFailed(ModelError):
    """The engine runs, but does not see what the CPU sees."""


class _Buffers:
    """Every byte that the loop touches. Mapped memory is read and written by the GPU in place and needs no twin."""

    def __init__(self, driver: Driver, spec: Spec, kind: MemoryKind) -> None:
        (width, height), classes = spec.size, len(spec.classes)
        self.frame = driver.host_buffer((height, width, 3), np.uint8, kind)
        self.labels = driver.host_buffer((2, height, width), np.uint8, kind)  # and margins
        self.totals = driver.host_buffer((2 * classes + 4,), np.uint32, "pinned")
        mapped = kind == "mapped"
        self.frame_twin = None if mapped else driver.device_buffer(3 * width * height)
        self.labels_twin = None if mapped else driver.device_buffer(2 * width * height)
        # The GPU adds to these atomically, which mapped memory is bad at; they are a hundred bytes.
        self.totals_twin = driver.device_buffer(4 * (2 * classes + 4))
        size = 4 if spec.precision == "fp32" else 2
        self.logits = driver.device_buffer(size * spec.channels * width * height)

    @property
    def frame_address(self) -> int:
        return self.frame.address if self.frame_twin is None else self.frame_twin.address

    @property
    def labels_address(self) -> int:
        return self.labels.address if self.labels_twin is None else self.labels_twin.address


class TensorRTBackend:
    """The ``Backend`` of machines with a GPU."""

    max_batch = 1

    def __init__(self, spec: Spec, network: Network, driver: Driver, cubin: bytes, memory: Memory = "auto") -> None:
        """Make every buffer. Takes ``network`` and ``driver`` over, and closes both.

        Raises:
            ModelError: the kernel does not run on this GPU.
            DeviceLost: too little memory, or a fault.
        """
        self.name = "tensorrt" if spec.precision == "fp32" else f"tensorrt-{spec.precision}"
        self.model_name, self.input_size, self.classes = spec.name, spec.size, spec.classes
        self.memory: MemoryKind = memory if memory != "auto" else ("mapped" if driver.info.integrated else "pinned")
        self.provenance: dict[str, Any] = {"gpu": driver.info.name, "memory": self.memory, "precision": spec.precision}
        self._spec, self._network, self._driver = spec, network, driver
        self._lock = threading.Lock()
        """Guards stream and buffers: they hold one frame."""
        self._lost: DeviceLost | None = None
        self._closed = False
        # A command that fails exits without closing; pycuda would then complain of its own teardown, in two lines.
        atexit.register(self.close)
        self._pixels = spec.size[0] * spec.size[1]
        try:
            with driver.current():
                self._make(cubin)
        except BaseException:
            self.close()
            raise

    def _make(self, cubin: bytes) -> None:
        driver, spec = self._driver, self._spec
        self._buffers = buffers = _Buffers(driver, spec, self.memory)
        self._stream = driver.stream()
        self._events = [driver.event() for _ in range(len(STAGES) + 1)]
        entry = "decode_float32" if spec.precision == "fp32" else "decode_float16"
        self._kernel = driver.kernel(cubin, entry, _ARGUMENTS)
        addresses = buffers.logits.address, buffers.labels_address, buffers.totals_twin.address
        channels, classes = spec.channels, len(spec.classes)
        temperature = 1.0 if spec.calibration is None else spec.calibration.temperature
        self._arguments = (*addresses, channels, classes, self._pixels, margin_scale(temperature))
        threads = -(-self._pixels // (1 if self._pixels % _PER_THREAD else _PER_THREAD))
        self._grid = min(-(-threads // BLOCK), _BLOCKS_PER_MULTIPROCESSOR * driver.info.multiprocessors)
        self._shared_bytes = 4 * (BLOCK // 32) * (2 * classes + 4)
        self._network.bind(buffers.frame_address, buffers.logits.address)

    def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """Labels [H,W] and counts [C+1] of each ``frame.image``, uint8 [H,W,3] BGR at ``input_size``.

        Raises:
            ModelError: the picture has another size.
            DeviceLost: the GPU failed; after a sticky failure every further call says so again.
        """
        return [self._infer(frame) for frame in frames]

    def submit(self, frames: Sequence[Frame]) -> Done:
        """As ``infer``."""
        return Done(self.infer(frames))

    def _infer(self, frame: Frame) -> Segmentation:
        with self._lock:
            self._check(frame.image)
            try:
                with self._driver.current():
                    return self._run(frame.image)
            except DeviceLost as error:
                if error.sticky:
                    self._lost = error
                raise

    def _check(self, image: Image) -> None:
        if self._lost is not None:
            raise DeviceLost(self._lost.message, hint=self._lost.hint)
        if image.shape != self._buffers.frame.array.shape:  # copying would broadcast a small one
            height, width = image.shape[:2]
            wanted = "{}x{}".format(*self.input_size)
            raise ModelError(
                f"{self.model_name} takes {wanted}, not {width}x{height}", hint="open the source at that size"
            )

    def _run(self, image: Image) -> Segmentation:
        buffers, stream, events = self._buffers, self._stream, self._events
        np.copyto(buffers.frame.array, image)
        stream.record(events[0])
        if buffers.frame_twin is not None:
            stream.upload(buffers.frame_twin, buffers.frame)
        stream.record(events[1])
        self._network.enqueue(stream.handle)
        stream.record(events[2])
        stream.clear(buffers.totals_twin)
        stream.launch(self._kernel, self._grid, BLOCK, self._shared_bytes, self._arguments)
        stream.record(events[3])
        if buffers.labels_twin is not None:
            stream.download(buffers.labels, buffers.labels_twin)
        stream.download(buffers.totals, buffers.totals_twin)
        stream.record(events[4])
        stream.synchronize()
        return self._result()

    def _result(self) -> Segmentation:
        """Copies out of the page-locked memory, which the next frame overwrites."""
        decoded = from_kernel(self._buffers.labels.array.copy(), self._buffers.totals.array)
        if (counted := int(decoded.counts.sum())) != self._pixels:
            raise DeviceLost(f"the decode kernel counted {counted} of {self._pixels} pixels", sticky=False)
        events = self._events
        stages = {stage: events[at + 1].ms_since(events[at]) for at, stage in enumerate(STAGES)}
        return segmentation(decoded, self.classes, self._spec.calibration, stages)

    def bare_ms(self, frame: Frame) -> float:  # noqa: ARG002 - it runs on whatever frame came last
        """GPU milliseconds of the network alone: what trtexec calls GPU Compute Time."""
        with self._lock, self._driver.current():
            self._stream.record(self._events[0])
            self._network.enqueue(self._stream.handle)
            self._stream.record(self._events[1])
            self._stream.synchronize()
            return self._events[1].ms_since(self._events[0])

    def self_test(self, labels: Labels) -> float:
        """Agreement (0..1) with the golden ``labels`` of the stored frame.

        Raises:
            SelfTestFailed: below ``golden.LEAST_AGREEMENT``, or a logit is NaN.
        """
        image = golden.golden_frame(self.input_size, self._spec.fit)
        found = self.infer([Frame(image, None, 0, 0, 0.0, "self-test")])[0]
        agreed = golden.agreement(found.labels, labels)
        if void := int(found.counts[-1]):
            raise SelfTestFailed(
                f"{self.model_name}: self-test failed, {void} of {self._pixels} pixels are NaN",
                hint="a value overflows float16: build with --precision fp32",
            )
        if agreed < golden.LEAST_AGREEMENT:
            raise SelfTestFailed(
                f"{self.model_name}: self-test failed, {100 * agreed:.2f} % of the labels agree with the CPU's, "
                f"{100 * golden.LEAST_AGREEMENT:.0f} % must",
                hint="build it again with --force; if it stays: --precision fp32",
            )
        self.provenance["self_test_agreement"] = round(agreed, 5)
        return agreed

    def memory_mb(self) -> tuple[float, float]:
        """Free and total memory of the GPU."""
        with self._lock, self._driver.current():
            free, total = self._driver.memory()
        return free / 1e6, total / 1e6

    def close(self) -> None:
        """Free everything; may be called twice."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            atexit.unregister(self.close)
            try:
                with self._driver.current():
                    self._network.close()
                    for held in ("_buffers", "_stream", "_events", "_kernel"):
                        self.__dict__.pop(held, None)
            except DeviceLost as error:
                logger.debug("what a lost GPU holds goes with the process: %s", error)
            self._driver.close()
            self._lost = self._lost or DeviceLost(f"{self.model_name} is closed")


def open_engine(engine: Path, model: OnnxModel | LoweredModel | EngineFile, memory: Memory) -> TensorRTBackend:
    """A verified, loaded and self-tested engine.

    Raises:
        ModelError: a file, version or GPU does not fit, or the self-test fails.
        DeviceLost: the GPU has too little memory, or fails.
    """
    verified = verify(engine)
    check_source(verified, model)
    library = find_library(verified.manifest.recipe.flavour)
    from edge_segnet.cuda.driver import PycudaDriver

    driver = PycudaDriver()
    try:
        kernel = check_machine(verified, library, driver.info)
        with driver.current():
            network = EngineNetwork(verified, library)
    except BaseException:
        driver.close()
        raise
    backend = TensorRTBackend(_spec(verified, model.card), network, driver, kernel, memory)
    try:
        backend.self_test(verified.golden)
        with driver.current():
            network.save_cache()
    except BaseException:
        backend.close()
        raise
    backend.provenance |= _provenance(verified)
    return backend


def _spec(verified: Verified, card: ModelCard) -> Spec:
    recipe = verified.manifest.recipe
    facts = (recipe.size, recipe.fit, recipe.precision)
    return Spec(card.name, card.classes, *facts, card.calibration, card.void_output)


def _provenance(verified: Verified) -> dict[str, Any]:
    recipe = verified.manifest.recipe
    return {
        "engine": str(verified.engine),
        "engine_sha256": verified.manifest.files.engine,
        "source_sha256": recipe.source_sha256,
        "runtime": f"{recipe.flavour} {recipe.version}",
        "cuda": recipe.cuda,
        "built_at": verified.manifest.built_at,
    }
