"""The real network under the fake driver: ONNX Runtime reads the frame at one address and writes logits at another."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime

from edge_segnet.backends.tensorrt import Spec, TensorRTBackend
from edge_segnet.cuda.interface import Memory
from edge_segnet.graph.card import OnnxModel
from edge_segnet.graph.lower import Precision, lower
from tests.cuda.fake import FakeDriver, Fault


class OrtNetwork:
    """``writes=False`` leaves the output as it is; ``refuses`` fails to start."""

    def __init__(self, onnx_model: OnnxModel, driver: FakeDriver, precision: Precision) -> None:
        graph = lower(onnx_model.proto, "tensorrt", precision=precision).model.SerializeToString()
        self._session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        self._driver = driver
        self._shape = (onnx_model.card.size[1], onnx_model.card.size[0], 3)
        self.writes, self.refuses, self.closed = True, False, 0
        self.stream: Any = None

    def bind(self, frame: int, logits: int) -> None:
        self._frame, self._logits = frame, logits

    def enqueue(self, stream: int) -> None:
        self._driver.called("enqueue")
        assert stream == 77
        if self.refuses:
            raise Fault("the network could not be started", sticky=True)
        self.stream.queue.append(self._run)

    def _run(self) -> None:
        image = self._driver.at(self._frame).reshape(1, *self._shape)
        logits = self._session.run(["logits"], {"frame": image})[0]
        if self.writes:
            np.copyto(self._driver.at(self._logits), logits.reshape(-1).view(np.uint8))

    def close(self) -> None:
        self.closed += 1


def fake_backend(
    onnx_model: OnnxModel,
    precision: Precision = "fp32",
    memory: Memory = "auto",
    driver: FakeDriver | None = None,
    cubin: bytes = b"cubin",
) -> tuple[TensorRTBackend, FakeDriver, OrtNetwork]:
    """The backend with nothing but the GPU replaced."""
    driver = driver or FakeDriver()
    network = OrtNetwork(onnx_model, driver, precision)
    made = driver.stream

    def stream() -> Any:
        network.stream = made()
        return network.stream

    driver.stream = stream  # type: ignore[method-assign]  # the fake network works in the stream that was made
    card = onnx_model.card
    spec = Spec(card.name, card.classes, card.size, card.fit, precision, card.calibration, card.void_output)
    return TensorRTBackend(spec, network, driver, cubin, memory), driver, network
