"""The real network under the fake driver: ONNX Runtime reads the frame at one address and writes logits at another."""

from __future__ import annotations

import numpy as np
import onnxruntime

from edge_segnet.backends.gpu_slots import Spec, Start
from edge_segnet.backends.tensorrt import Depth, GpuOptions, TensorRTBackend
from edge_segnet.cuda.interface import Memory
from edge_segnet.graph.lower import Precision, lower
from edge_segnet.graph.model_files import OnnxModel
from tests.cuda.fake import FakeDriver, Fault


class OrtNetwork:
    """``writes=False`` leaves the output as it is; ``refuses`` fails to start."""

    def __init__(self, onnx_model: OnnxModel, driver: FakeDriver, precision: Precision) -> None:
        graph = lower(onnx_model.proto, "tensorrt", precision=precision).model.SerializeToString()
        self._session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        self._driver = driver
        self._shape = (onnx_model.card.size[1], onnx_model.card.size[0], 3)
        self.writes, self.refuses, self.closed = True, False, 0
        self.logits: list[int] = []
        """Where they were bound to."""

    def bind(self, frame: int, logits: int, count: int) -> Start:
        self.logits.append(logits)

        def enqueue(stream: int) -> None:
            self._driver.called("enqueue")
            if self.refuses:
                raise Fault("the network could not be started", sticky=True)
            self._driver.streams[stream].queue.append(lambda: self._run(frame, logits, count))

        return enqueue

    def _run(self, frame: int, logits: int, count: int) -> None:
        images = self._driver.at(frame)[: count * int(np.prod(self._shape))].reshape(count, 1, *self._shape)
        found = np.concatenate([self._session.run(["logits"], {"frame": image})[0] for image in images])
        if self.writes:
            flat = found.reshape(-1).view(np.uint8)
            np.copyto(self._driver.at(logits)[: flat.size], flat)

    def close(self) -> None:
        self.closed += 1


def fake_backend(
    onnx_model: OnnxModel,
    precision: Precision = "fp32",
    memory: Memory = "auto",
    driver: FakeDriver | None = None,
    cubin: bytes = b"cubin",
    depth: Depth = 1,
    max_batch: int = 1,
) -> tuple[TensorRTBackend, FakeDriver, OrtNetwork]:
    """The backend with nothing but the GPU replaced."""
    driver = driver or FakeDriver()
    network = OrtNetwork(onnx_model, driver, precision)
    card = onnx_model.card
    spec = Spec(card.name, card.classes, card.size, card.fit, precision, card.calibration, card.void_output, max_batch)
    return TensorRTBackend(spec, network, driver, cubin, GpuOptions(memory, depth=depth)), driver, network
