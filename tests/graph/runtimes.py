"""One line to run a graph in each runtime, in float32 and without tricks that reorder sums."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

Array = NDArray[Any]


def run_onnxruntime(model: onnx.ModelProto, picture: Array) -> Array:
    """First output. Without layout optimisation: a convolution must add in the same order in every form of a graph."""
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: picture})[0])


def run_openvino(model: onnx.ModelProto, picture: Array) -> Array:
    """First output; skips where OpenVINO is not installed. Some CPUs would compute in bfloat16 unless told not to."""
    openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed (extra: test)")
    core = openvino.Core()
    network = core.read_model(model.SerializeToString())
    compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled([picture])[0])


def run_opencv(model: onnx.ModelProto, picture: Array) -> Array:
    """First output."""
    network = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
    network.setInput(picture, model.graph.input[0].name)
    return np.asarray(network.forward())


RUNNERS = {"onnxruntime": run_onnxruntime, "openvino": run_openvino, "opencv": run_opencv}
