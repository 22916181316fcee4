"""TensorRT on the GPU. All memory is made before the loop; a frame is copied once into page-locked memory, uploaded,
run, decoded to labels and counts on the GPU, downloaded, and waited for once.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edge_segnet.backends.decoded import segmentation
from edge_segnet.backends.gpu_slots import Decoder, Network, Slot, Spec, make_streams
from edge_segnet.core.errors import DeviceLost, ModelError
from edge_segnet.core.types import Frame, Image, Labels, Segmentation
from edge_segnet.cuda.interface import Driver, DriverKind, Memory, MemoryKind
from edge_segnet.engine import golden

logger = logging.getLogger(__name__)
Depth = Literal[1, 2]


@dataclass(frozen=True)
class GpuOptions:
    """How frames travel (``memory``), who speaks to CUDA, how many are in flight (``depth``), and whether the work of a
    frame is captured as a graph where the driver can.
    """

    memory: Memory = "auto"
    driver: DriverKind = "auto"
    depth: Depth = 1
    graphs: bool = True


class SelfTestFailed(ModelError):
    """The engine runs, but does not see what the CPU sees."""


class _Ticket:
    """Frames in a slot. Whoever needs the result, or the slot, first waits for them."""

    def __init__(self, backend: TensorRTBackend, at: int, count: int) -> None:
        """``count`` frames in slot number ``at``."""
        self._backend: TensorRTBackend | None = backend
        self._at, self._count = at, count
        self._lock = threading.Lock()
        """Guards the outcome: two threads may want it."""
        self._found: list[Segmentation] | None = None
        self._error: DeviceLost | None = None

    def result(self) -> list[Segmentation]:
        """As ``TensorRTBackend.infer``."""
        self.finish()
        if self._error is not None:
            raise self._error
        assert self._found is not None
        return self._found

    def finish(self) -> None:
        """Until the slot is free; raises nothing."""
        with self._lock:
            backend, self._backend = self._backend, None
            if backend is not None:
                try:
                    self._found = backend.read(self._at, self._count)
                except DeviceLost as error:
                    self._error = error


class TensorRTBackend:
    """The ``Backend`` of machines with a GPU."""

    def __init__(
        self, spec: Spec, network: Network, driver: Driver, cubin: bytes, options: GpuOptions | None = None
    ) -> None:
        """Make every buffer. Takes ``network`` and ``driver`` over, and closes both.

        Raises:
            ModelError: the kernel does not run on this GPU.
            DeviceLost: too little memory, or a fault.
        """
        options = options or GpuOptions()
        self.name = "tensorrt" if spec.precision == "fp32" else f"tensorrt-{spec.precision}"
        self.model_name, self.input_size, self.classes = spec.name, spec.size, spec.classes
        self.max_batch, self.depth = spec.max_batch, options.depth
        integrated = driver.info.integrated
        self.memory: MemoryKind = options.memory if options.memory != "auto" else ("mapped" if integrated else "pinned")
        self.provenance: dict[str, Any] = {"gpu": driver.info.name, "memory": self.memory, "precision": spec.precision}
        self.provenance |= {"driver": driver.name, "depth": options.depth, "max_batch": spec.max_batch}
        self._spec, self._network, self._driver = spec, network, driver
        self._lock = threading.Lock()
        """Guards streams and the slots' order."""
        self._lost: DeviceLost | None = None
        self._closed = False
        self._tickets: list[_Ticket | None] = []
        """By slot, those whose frames are on their way."""
        # A command that fails exits without closing; pycuda would then complain of its own teardown, in two lines.
        atexit.register(self.close)
        try:
            with driver.current():
                self._make(cubin)
            self.provenance["graphs"] = self._capture() if options.graphs and driver.graphs else "no"
        except BaseException:
            self.close()
            raise

    def _make(self, cubin: bytes) -> None:
        driver, spec = self._driver, self._spec
        decoder, streams = Decoder(driver, spec, cubin), make_streams(driver, self.depth)
        self._slots = [Slot(driver, spec, self.memory, self._network, decoder, streams) for _ in range(self.depth)]
        self._tickets = [None] * self.depth
        self._turn = 0
        """The slot of the next frame."""

    def _capture(self) -> str:
        """Whether there are graphs, in words. A network that can't be captured runs without, and says so.

        Raises:
            DeviceLost: the GPU is lost over it.
        """
        try:
            with self._driver.current():
                for slot in self._slots:
                    slot.capture()
        except DeviceLost as error:
            if error.sticky:
                raise
            logger.warning("warning: %s: no CUDA graphs (%s)", self.model_name, error.message)
            return f"no: {error.message}"
        return "yes"

    def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """Labels [H,W] and counts [C+1] of each ``frame.image``, uint8 [H,W,3] BGR at ``input_size``.

        Raises:
            ModelError: a picture has another size, or there are too many.
            DeviceLost: the GPU failed; after a sticky failure every further call says so again.
        """
        return self.submit(frames).result()

    def submit(self, frames: Sequence[Frame]) -> _Ticket:
        """As ``infer``, with up to ``depth`` on their way; a further one waits for the first."""
        with self._lock:
            self._check(frames)
            at = self._turn
            self._turn = (at + 1) % self.depth
            if (before := self._tickets[at]) is not None:
                before.finish()
            slot = self._slots[at]
            try:
                with self._driver.current():
                    for place, frame in enumerate(frames):
                        slot.fill(place, frame.image)
                    slot.start(len(frames))
            except DeviceLost as error:
                self._note(error)
                raise
            ticket = self._tickets[at] = _Ticket(self, at, len(frames))
            return ticket

    def read(self, at: int, count: int) -> list[Segmentation]:
        """For tickets: wait for what is in slot number ``at``, and copy it out; raises DeviceLost."""
        slot, calibration = self._slots[at], self._spec.calibration
        try:
            with self._driver.current():
                slot.wait()
                stages = slot.stages_ms()
                return [
                    segmentation(slot.decoded(place), self.classes, calibration, stages, count)
                    for place in range(count)
                ]
        except DeviceLost as error:
            self._note(error)
            raise
        finally:
            self._tickets[at] = None  # a result lives as long as somebody else wants it

    def _note(self, error: DeviceLost) -> None:
        if error.sticky:
            self._lost = error

    def _check(self, frames: Sequence[Frame]) -> None:
        if self._lost is not None:
            raise DeviceLost(self._lost.message, hint=self._lost.hint)
        if not 1 <= len(frames) <= self.max_batch:
            raise ModelError(
                f"{self.model_name} takes 1 to {self.max_batch} frames at once, not {len(frames)}",
                hint="build-engine --batch N makes an engine for more",
            )
        for frame in frames:
            self._check_size(frame.image)

    def _check_size(self, image: Image) -> None:
        width, height = self.input_size
        if image.shape != (height, width, 3):  # copying would broadcast a small one
            shown = "{1}x{0}".format(*image.shape)
            raise ModelError(
                f"{self.model_name} takes {width}x{height}, not {shown}", hint="open the source at that size"
            )

    def bare_ms(self, frame: Frame) -> float:  # noqa: ARG002 - it runs on whatever frame came last
        """GPU milliseconds of the network alone: what trtexec calls GPU Compute Time."""
        with self._lock:
            self._finish_all()
            with self._driver.current():
                return self._slots[0].bare_ms()

    def _finish_all(self) -> None:
        for ticket in self._tickets:
            if ticket is not None:
                ticket.finish()

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
                f"{self.model_name}: self-test failed, {void} of {self._spec.pixels} pixels are NaN",
                hint="a value overflows float16: build its float32 model with --precision fp32",
            )
        if agreed < golden.LEAST_AGREEMENT:
            raise SelfTestFailed(
                f"{self.model_name}: self-test failed, {100 * agreed:.2f} % of the labels agree with the CPU's, "
                f"{100 * golden.LEAST_AGREEMENT:.0f} % must",
                hint="build it again with --force; if it stays: its float32 model with --precision fp32",
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
            self._lost = self._lost or DeviceLost(f"{self.model_name} is closed")
            try:
                self._finish_all()
                with self._driver.current():
                    for held in ("_slots", "_tickets"):
                        self.__dict__.pop(held, None)
                    self._network.close()
            except DeviceLost as error:
                logger.debug("what a lost GPU holds goes with the process: %s", error)
            self._driver.close()
