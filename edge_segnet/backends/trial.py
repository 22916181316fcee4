"""Will a runtime take a model? Asked before anybody is told that a conversion has succeeded."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.util import find_spec

import onnx

from edge_segnet.backends.onnx import CpuOptions, make_session
from edge_segnet.core.errors import ModelError, first_line
from edge_segnet.engine.library import MODULES, find_library
from edge_segnet.graph.lower import Target, lower

TARGETS: tuple[Target, ...] = ("onnxruntime", "tensorrt", "openvino", "opencv")


def try_targets(model: onnx.ModelProto, targets: Sequence[Target] = TARGETS) -> dict[Target, str]:
    """For each target: "" if it takes the model, else why not.

    The model is written for the target, and read by the target's own parser where that is installed here: ONNX Runtime
    always, OpenVINO and TensorRT-RTX perhaps. OpenCV's and a Jetson's TensorRT are not asked.
    """
    return {target: _try(model, target) for target in targets}


def readers() -> tuple[Target, ...]:
    """The targets whose own parsers are here, and are asked."""
    installed: dict[Target, tuple[str, ...]] = {"openvino": ("openvino",), "tensorrt": MODULES["tensorrt-rtx"]}
    found = [target for target in TARGETS if any(map(find_spec, installed.get(target, ())))]
    return ("onnxruntime", *found)


def _try(model: onnx.ModelProto, target: Target) -> str:
    try:
        lowered = lower(model, target).model.SerializeToString()
        if target == "onnxruntime":
            make_session(lowered, CpuOptions())
        elif target == "openvino":
            _read_by_openvino(lowered)
        elif target == "tensorrt":
            _parse_by_tensorrt(lowered)
    except ModelError as error:
        return str(error)
    return ""


def _read_by_openvino(data: bytes) -> None:
    try:
        openvino = importlib.import_module("openvino")
    except ImportError:
        return
    try:
        openvino.Core().read_model(data)
    except RuntimeError as error:
        raise ModelError(f"OpenVINO refuses it ({first_line(error)})") from None


def _parse_by_tensorrt(data: bytes) -> None:
    """TensorRT-RTX's parser needs no GPU; a Jetson's TensorRT does, and is asked by build-engine."""
    try:
        library = find_library("tensorrt-rtx")
    except ModelError:
        return
    library.log.take()
    flag = library.api.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    network = library.api.Builder(library.log.sink).create_network(1 << int(flag))
    parser = library.api.OnnxParser(network, library.log.sink)
    if not bool(parser.parse(data)):
        reasons = [parser.get_error(index).desc() for index in range(parser.num_errors)] or ["no reason given"]
        raise ModelError(f"TensorRT-RTX's parser refuses it ({' '.join(reasons[0].split())[:200]})")
