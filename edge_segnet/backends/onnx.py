"""ONNX Runtime on the CPU: labels and class counts from the same model file that TensorRT gets."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from edge_segnet.classes import ClassMap
from edge_segnet.errors import ModelError
from edge_segnet.graph.bundle import Bundle
from edge_segnet.graph.lower import lower
from edge_segnet.types import Frame, Segmentation


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
    settings.log_severity_level = 3
    settings.add_session_config_entry("session.intra_op.allow_spinning", "1" if options.spinning else "0")
    try:
        return onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    except Exception as error:
        reason = str(error).replace("\n", " ")
        raise ModelError(f"ONNX Runtime refuses the model: {reason}") from error


class OnnxBackend:
    """The ``Backend`` of machines without a GPU."""

    name = "onnx"

    def __init__(self, bundle: Bundle, options: CpuOptions | None = None) -> None:
        self.model_name = bundle.name
        self.input_size = bundle.size
        self.classes: ClassMap = bundle.classes
        lowered = lower(bundle.model, "onnxruntime", head="labels")
        self._session: Any = make_session(lowered.model.SerializeToString(), options or CpuOptions())
        self._lock = threading.Lock()

    def infer(self, frame: Frame) -> Segmentation:
        """Labels [H,W] and counts [C+1] of ``frame.image``, uint8 [H,W,3] BGR at ``input_size``."""
        started = time.perf_counter()
        with self._lock:
            labels = self._session.run(["labels"], {"frame": frame.image[np.newaxis]})[0][0]
        inferred = time.perf_counter()
        counts = np.bincount(labels.reshape(-1), minlength=len(self.classes) + 1).astype(np.int64, copy=False)
        stages = {"network": 1e3 * (inferred - started), "decode": 1e3 * (time.perf_counter() - inferred)}
        labels.setflags(write=False)
        return Segmentation(labels=labels, counts=counts, low_margin=None, stages_ms=stages)

    def close(self) -> None:
        """Free the session."""
        with self._lock:
            self._session = None
