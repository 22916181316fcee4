"""FP32 -> INT8 in the canonical graph: QuantizeLinear and DequantizeLinear around convolutions, and nothing else moves.

What reads whole numbers is a convolution's map and its weights; pooling with indices, unpooling, sums and the logits
stay as they are. Everything is symmetric (zero is zero), because TensorRT knows nothing else: a map has one scale, a
weight one per output channel. Biases stay float32; runtimes make whole numbers of them where they want to.

Scales are float16's, rounded up: in a float16 network (TensorRT) they are then the same numbers as in a float32 one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.border import model_border
from edge_segnet.graph.edit import Writer, install
from edge_segnet.graph.view import View, attributes

LEVELS: Final = 127
"""Of int8 on each side of zero: -128 has no opposite."""
QUANTISING: Final = frozenset(("QuantizeLinear", "DequantizeLinear"))
_PER_AXIS: Final = 13
"""Opset in which DequantizeLinear learnt to have a scale per channel."""


@dataclass(frozen=True)
class Layer:
    """A convolution that can compute in whole numbers: its node, the map that it reads, and where its weights lie."""

    name: str
    source: str
    weight: str
    kind: str
    """``depthwise``, ``pointwise`` (1x1) or ``full``."""


def is_quantised(model: onnx.ModelProto) -> bool:
    """Whether a part of the graph computes in int8."""
    return any(node.op_type in QUANTISING for node in model.graph.node)


def quantised_layers(model: onnx.ModelProto) -> list[str]:
    """Names of the convolutions whose map and weights come as int8."""
    dequantised = {node.output[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    return [node.name for node in model.graph.node if node.op_type == "Conv" and dequantised.issuperset(node.input[:2])]


def layers(view: View) -> list[Layer]:
    """What ``quantise`` can turn, in graph order."""
    found = []
    for node in view.graph.node:
        if node.op_type != "Conv" or view.elem_type(node.input[0]) != TensorProto.FLOAT:
            continue
        weight = view.constant(node.input[1])
        if weight is None or view.constant(node.input[0]) is not None:
            continue
        group = attributes(node).get("group", 1)
        kind = "depthwise" if group == weight.shape[0] > 1 else "pointwise" if weight[0, 0].size == 1 else "full"
        found.append(Layer(node.name or node.output[0], node.input[0], node.input[1], kind))
    return found


@model_border
def quantise(view: View, largest: Mapping[str, float], chosen: Collection[str]) -> onnx.ModelProto:
    """The model with the layers ``chosen`` (names as ``layers`` gives them) in int8.

    Args:
        view: of a canonical model in float32, which is not changed.
        largest: for every map that a chosen layer reads, the size of the largest value that it can hold; what is beyond
            becomes that.
        chosen: names of layers.

    Raises:
        ModelError: it is quantised already, its opset is older than 13, or a value is no size.
    """
    if is_quantised(view.model):
        raise ModelError("the model is quantised already", hint="give the float32 model that it was made from")
    if view.opset < _PER_AXIS:
        raise ModelError(
            f"opset {view.opset} has no scales per channel", hint=f"export the model at opset {_PER_AXIS} or later"
        )
    write = Writer(view)
    edit = _Quantising(view, write, largest)
    wanted = {layer.name: layer for layer in layers(view) if layer.name in chosen}
    for node in view.graph.node:
        layer = wanted.get(node.name or next(iter(node.output), ""))
        write.nodes.append(node if layer is None else edit.layer(node, layer))
    result = onnx.ModelProto()
    result.CopyFrom(view.model)
    install(result.graph, write)
    return result


class _Quantising:
    """Every map and every weight is quantised once, whoever reads it."""

    def __init__(self, view: View, write: Writer, largest: Mapping[str, float]) -> None:
        self._view, self._write, self._largest = view, write, largest
        self._maps: dict[str, str] = {}
        self._weights: dict[str, str] = {}

    def layer(self, node: onnx.NodeProto, layer: Layer) -> onnx.NodeProto:
        changed = onnx.NodeProto()
        changed.CopyFrom(node)
        changed.input[0], changed.input[1] = self._map(layer.source), self._weight(layer.weight)
        return changed

    def _map(self, name: str) -> str:
        if name not in self._maps:
            write, scale = self._write, _scale(np.array(self._largest[name], np.float64))
            inputs = [write.constant(f"{name}.scale", scale), write.constant("int8.zero", np.zeros((), np.int8))]
            whole = write.node("QuantizeLinear", [name, *inputs], f"{name}.int8")
            self._maps[name] = write.node("DequantizeLinear", [whole, *inputs], f"{name}.rounded")
        return self._maps[name]

    def _weight(self, name: str) -> str:
        if name not in self._weights:
            write, weight = self._write, self._view.constant(name)
            assert weight is not None
            scale = _scale(np.abs(weight.astype(np.float64)).reshape(len(weight), -1).max(1))
            whole = np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1))).clip(-LEVELS, LEVELS)
            inputs = [
                write.constant(f"{name}.int8", whole.astype(np.int8)),
                write.constant(f"{name}.scale", scale),
                write.constant(f"{name}.zero", np.zeros(len(weight), np.int8)),
            ]
            self._weights[name] = write.node("DequantizeLinear", inputs, f"{name}.rounded", axis=0)
        return self._weights[name]


def _scale(largest: NDArray[Any]) -> NDArray[np.float32]:
    """What a step of int8 is worth: float32 whose value float16 has as well; raises ModelError for no size."""
    exact = largest / LEVELS
    if not (np.isfinite(exact).all() and (exact >= 0).all() and (exact < np.finfo(np.float16).max).all()):
        raise ModelError(f"a map's largest value is {float(largest.max()):g}: no scale is made of that")
    half = np.maximum(exact, np.finfo(np.float16).smallest_subnormal).astype(np.float16)
    rounded_up: NDArray[np.float16] = np.where(half < exact, np.nextafter(half, np.float16(np.inf)), half)
    return rounded_up.astype(np.float32)
