"""ONNX Runtime on the CPU: the same decode from the same model file that TensorRT gets."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnxruntime

from edge_segnet.backends.decoded import apart, from_head, segmentation, stacked
from edge_segnet.backends.reading import CpuModel, graph_for
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Done, Frame, Segmentation
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


class OnnxBackend:
    """The ``Backend`` of machines without a GPU."""

    def __init__(self, model: CpuModel, options: CpuOptions | None = None, batch: int = 1) -> None:
        """``batch``: of its graph, which takes just so many frames at once."""
        self.max_batch = batch
        self.model_name = model.card.name
        self.name = "onnx" if model.card.precision == "fp32" else f"onnx-{model.card.precision}"
        self.chosen_because = ""
        """Why ``auto`` took this one; empty where nobody chose."""
        self.batch_because = ""
        """Why frames of several cameras go together, or don't; empty where nobody asked."""
        self.input_size = model.card.size
        self.classes: ClassMap = model.card.classes
        self._calibration = model.card.calibration
        self._session: Any = make_session(graph_for(model, "onnxruntime", batch), options or CpuOptions())
        self._lock = threading.Lock()
        """One frame at a time: a second would share the cores with the first, and both would be late."""

    def infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        """Labels [H,W] and counts [C+1] of each ``frame.image``, uint8 [H,W,3] BGR at ``input_size``.

        Raises:
            ModelError: ONNX Runtime fails, for want of memory say.
        """
        at_once = [frames[at : at + self.max_batch] for at in range(0, len(frames), self.max_batch)]
        return [found for some in at_once for found in self._infer(some)]

    def submit(self, frames: Sequence[Frame]) -> Done:
        """As ``infer``: the processor that would take the next frame has this one."""
        return Done(self.infer(frames))

    def _infer(self, frames: Sequence[Frame]) -> list[Segmentation]:
        started = time.perf_counter()
        with self._lock:
            try:
                found = self._session.run(DECODED, {"frame": stacked(frames)})
            except Exception as error:
                width, height = self.input_size
                hint = "is there memory enough? a smaller --size takes less"
                raise ModelError(
                    f"{self.model_name} fails at {width}x{height} ({_reason(error)})", hint=hint
                ) from error
        inferred = time.perf_counter()
        decoded = [from_head(each, len(self.classes)) for each in apart(found)]
        stages = {"network": 1e3 * (inferred - started), "decode": 1e3 * (time.perf_counter() - inferred)}
        return [segmentation(each, self.classes, self._calibration, stages, len(decoded)) for each in decoded]

    def bare_ms(self, frame: Frame) -> float:
        """Milliseconds of the session alone."""
        inputs = {"frame": frame.image[np.newaxis]}
        with self._lock:
            started = time.perf_counter()
            self._session.run(DECODED, inputs)
            return 1e3 * (time.perf_counter() - started)

    def close(self) -> None:
        """Free the session."""
        with self._lock:
            self._session = None
