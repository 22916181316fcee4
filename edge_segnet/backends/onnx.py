"""ONNX Runtime on the CPU: the same decode from the same model file that TensorRT gets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import onnxruntime

from edge_segnet.backends.reading import CpuModel, graph_for
from edge_segnet.backends.serial import SerialBackend
from edge_segnet.core.errors import ModelError
from edge_segnet.graph.model_files import DECODED

MAX_REASON: Final = 240
"""Characters of what the runtime says: some of its errors quote half a graph."""
UNASKED: Final = ["WeightBiasQuantization"]
"""Optimisers that change what is computed: this one turns float weights behind a quantised map into int8, one scale for
all channels, which costs a net with depthwise layers 1.5 % of its labels (ONNX Runtime 1.32)."""


@dataclass(frozen=True)
class CpuOptions:
    """``threads`` 0 means one per physical core.

    ``spinning`` keeps idle threads busy-waiting between frames: a little faster back to back, but at a paced 10 Hz it
    burns 0.43 of a core against 0.03 (measured), so it is off unless frames follow without a pause.
    """

    threads: int = 0
    spinning: bool = False


def make_session(model: bytes, options: CpuOptions) -> onnxruntime.InferenceSession:
    """A CPU session of a serialised model.

    Raises:
        ModelError: ONNX Runtime can't run it.
    """
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.log_severity_level = 4  # an error comes as an exception as well, and is said once
    settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spinning else "0")
    try:
        return onnxruntime.InferenceSession(
            model, settings, providers=["CPUExecutionProvider"], disabled_optimizers=UNASKED
        )
    except Exception as error:
        hint = "export the model again, or try: edge-segnet convert --for onnxruntime"
        if "alloc" in str(error):
            hint = "free some memory, or use a smaller --size"
        raise ModelError(f"ONNX Runtime refuses the model ({_reason(error)})", hint=hint) from error


def _reason(error: Exception) -> str:
    """ONNX Runtime's words without its error number and with one line's breath."""
    words = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", " ".join(str(error).split()))
    return words if len(words) <= MAX_REASON else f"{words[:MAX_REASON]}..."


class OnnxBackend(SerialBackend):
    """The ``Backend`` of machines without a GPU."""

    def __init__(self, model: CpuModel, options: CpuOptions | None = None, batch: int = 1) -> None:
        """``batch``: of its graph, which takes just so many frames at once."""
        super().__init__(model, batch)
        self.name = "onnx" if model.card.precision == "fp32" else f"onnx-{model.card.precision}"
        self._session: Any = make_session(graph_for(model, "onnxruntime", batch), options or CpuOptions())

    def _run(self, pictures: Any) -> list[Any]:
        found: list[Any] = self._session.run(DECODED, {"frame": pictures})
        return found

    def _kept(self, found: list[Any]) -> list[Any]:
        return found

    def _said(self, error: Exception) -> str:
        return f"({_reason(error)})"

    def close(self) -> None:
        """Free the session."""
        with self._lock:
            self._session = None
