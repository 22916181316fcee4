"""Architecture + named weights -> canonical ONNX graph (contract: ``frame`` uint8 [1,H,W,3] BGR -> ``logits``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_segnet.core.errors import ModelError
from edge_segnet.core.size import MIN_SIZE
from edge_segnet.graph import segnet

OPSET = 17
"""Read by TensorRT 8.6 and later, ONNX Runtime 1.13 and later, OpenVINO and OpenCV."""

Weights = Mapping[str, NDArray[np.float32]]


def build_model(
    architecture: segnet.Architecture,
    weights: Weights,
    size: tuple[int, int],
) -> onnx.ModelProto:
    """Make the canonical graph.

    Args:
        architecture: layers and input normalisation.
        weights: ``<layer>.weight`` float32 [O,I/groups,k,k] and ``<layer>.bias`` float32 [O] of every convolution,
            BatchNorm folded in.
        size: (width, height) of the network input, each >= 32.

    Raises:
        ModelError: a weight is missing or has another shape, or the size is too small.
    """
    width, height = size
    if min(size) < MIN_SIZE:
        raise ModelError(f"network size {width}x{height} is too small", hint=f"use at least {MIN_SIZE}x{MIN_SIZE}")
    graph = _Canonical(architecture, weights, height, width)
    frame = helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, height, width, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, architecture.classes, height, width])
    proto = helper.make_graph(graph.nodes, architecture.name, [frame], [logits], graph.initializers)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="edge-segnet")
    model.ir_version = 8  # the oldest that opset 17 allows: read by every runtime since 2022
    onnx.checker.check_model(model, full_check=True)
    return model


class _Canonical:
    """Walks the layers once; keeps the spatial size of every map, because unpooling needs it."""

    def __init__(self, architecture: segnet.Architecture, weights: Weights, height: int, width: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._weights = weights
        self._size: dict[str, tuple[int, int, int]] = {segnet.INPUT: (3, height, width)}
        self._pooled_from: dict[str, str] = {}
        self._input_size = (height, width)
        self._last = architecture.layers[-1].name
        self._preprocess(architecture)
        for layer in architecture.layers:
            self._add(layer)

    def _node(self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        self.nodes.append(helper.make_node(operator, list(inputs), list(outputs), name=outputs[0], **attributes))

    def _constant(self, name: str, value: NDArray[np.generic]) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _tensor(self, layer: str) -> str:
        return "logits" if layer == self._last else layer

    def _preprocess(self, architecture: segnet.Architecture) -> None:
        # Cast comes first: TensorRT takes a uint8 input only into a Cast.
        steps: list[tuple[str, list[str], dict[str, Any]]] = [("Cast", [], {"to": TensorProto.FLOAT})]
        steps.append(("Transpose", [], {"perm": [0, 3, 1, 2]}))
        if any(architecture.mean):
            mean = np.array(architecture.mean, np.float32).reshape(1, 3, 1, 1)
            steps.append(("Sub", [self._constant("input.mean", mean)], {}))
        if architecture.scale != 1.0:
            steps.append(("Mul", [self._constant("input.scale", np.array(architecture.scale, np.float32))], {}))
        name = "frame"
        for operator, constants, attributes in steps:
            out = segnet.INPUT if operator == steps[-1][0] else f"input.{operator.lower()}"
            self._node(operator, [name, *constants], [out], **attributes)
            name = out

    def _add(self, layer: segnet.Layer) -> None:
        out = self._tensor(layer.name)
        match layer:
            case segnet.Conv():
                size = self._conv(layer, out)
            case segnet.Pool():
                channels, height, width = self._size[layer.source]
                self._pooled_from[layer.name] = layer.source
                self._node(
                    "MaxPool",
                    [layer.source],
                    [out, f"{out}.indices"],
                    kernel_shape=[2, 2],
                    strides=[2, 2],
                    ceil_mode=1,
                )
                size = (channels, -(-height // 2), -(-width // 2))
            case segnet.Unpool():
                size = self._size[self._pooled_from[layer.pool]]
                shape = self._constant(f"{out}.shape", np.array([1, *size], np.int64))
                inputs = [layer.source, f"{layer.pool}.indices", shape]
                self._node("MaxUnpool", inputs, [out], kernel_shape=[2, 2], strides=[2, 2])
            case segnet.Add():
                self._node("Add", [layer.left, layer.right], [out])
                size = self._size[layer.left]
            case segnet.LocalResponseNorm():
                self._node("LRN", [layer.source], [out], size=layer.size, alpha=layer.alpha, beta=layer.beta, bias=1.0)
                size = self._size[layer.source]
            case segnet.GlobalMean():
                self._node("GlobalAveragePool", [layer.source], [out])
                size = (self._size[layer.source][0], 1, 1)
            case segnet.SubPixel():
                size = self._subpixel(layer, out)
        self._size[layer.name] = size

    def _conv(self, conv: segnet.Conv, out: str) -> tuple[int, int, int]:
        shape = (conv.out_channels, conv.in_channels // conv.groups, conv.kernel, conv.kernel)
        weight = self._weight(f"{conv.name}.weight", shape)
        bias = self._weight(f"{conv.name}.bias", (conv.out_channels,))
        linear = out if conv.activation == "none" else f"{out}.linear"
        self._node(
            "Conv",
            [conv.source, weight, bias],
            [linear],
            kernel_shape=[conv.kernel] * 2,
            pads=[conv.kernel // 2] * 4,
            strides=[conv.stride] * 2,
            group=conv.groups,
        )
        if conv.activation == "relu":
            self._node("Relu", [linear], [out])
        elif conv.activation == "relu6":
            self._node("Clip", [linear, self._shared("zero", 0.0), self._shared("six", 6.0)], [out])
        _, height, width = self._size[conv.source]
        return conv.out_channels, -(-height // conv.stride), -(-width // conv.stride)

    def _subpixel(self, layer: segnet.SubPixel, out: str) -> tuple[int, int, int]:
        channels, height, width = self._size[layer.source]
        full = (2 * height, 2 * width)
        exact = full == self._input_size
        shuffled = out if exact else f"{out}.full"
        self._node("DepthToSpace", [layer.source], [shuffled], blocksize=2, mode="CRD")
        if not exact:
            ends = self._constant(f"{out}.ends", np.array(self._input_size, np.int64))
            starts = self._constant(f"{out}.starts", np.zeros(2, np.int64))
            axes = self._constant(f"{out}.axes", np.array([2, 3], np.int64))
            self._node("Slice", [shuffled, starts, ends, axes], [out])
        return channels // 4, *self._input_size

    def _shared(self, name: str, value: float) -> str:
        if all(initializer.name != name for initializer in self.initializers):
            self._constant(name, np.array(value, np.float32))
        return name

    def _weight(self, name: str, shape: tuple[int, ...]) -> str:
        if name not in self._weights:
            raise ModelError(f"weight {name} {list(shape)} is missing", hint="the weights belong to another network")
        value = self._weights[name]
        if value.shape != shape:
            raise ModelError(
                f"weight {name} has shape {list(value.shape)}, the network needs {list(shape)}",
                hint="the weights belong to another network or another number of classes",
            )
        return self._constant(name, value.astype(np.float32))
