"""A graph for one frame -> a graph for several, each of which gets what it would have got alone.

The first axis of every map is the frame's. Operators that keep it apart stay as they are; shapes that are written into
the graph follow; what could mix two frames is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.edit import Writer, install
from edge_segnet.graph.view import View, attributes, label

NAME: Final = "batch"
"""Of the first dimension, where the runtime is told how many frames there are."""
# fmt: off
_APART: Final = frozenset((
    "Abs", "Add", "And", "AveragePool", "BatchNormalization", "Cast", "Ceil", "Clip", "Conv", "ConvInteger",
    "ConvTranspose", "DepthToSpace", "DequantizeLinear", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Floor",
    "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity",
    "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "MaxPool",
    "Min", "Mul", "Neg", "Not", "Or", "PRelu", "Pow", "QLinearConv", "QuantizeLinear", "Reciprocal", "Relu", "Round",
    "Selu", "Sigmoid", "Sign", "Softplus", "SpaceToDepth", "Sqrt", "Sub", "Sum", "Tanh", "Where",
))
"""Every number of their results is made of one frame's, as long as nobody adds an axis before the first."""
# fmt: on


def batched(model: onnx.ModelProto, frames: int | None) -> onnx.ModelProto:
    """The same network for ``frames`` frames at once; None: for as many as the runtime says.

    Args:
        model: of static shapes, whose first dimension is 1 in its input and its outputs; it is not changed.

    Raises:
        ModelError: a node may mix the frames, or has a batch of 1 in it in a way that only a new export can change.
    """
    view = View(model)
    work = onnx.ModelProto()
    work.CopyFrom(model)
    edit = _Batching(view, frames)
    for node in model.graph.node:
        edit.add(node)
    install(work.graph, edit.write)
    for value in (*view.inputs, *work.graph.output):
        edit.require_one(value.name)
    live = {value.name for value in view.inputs}
    for value in (*(one for one in work.graph.input if one.name in live), *work.graph.output):
        first = value.type.tensor_type.shape.dim[0]
        first.Clear()
        if frames is None:
            first.dim_param = NAME
        else:
            first.dim_value = frames
    return work


class _Batching:
    """Copies nodes; shapes that hold the batch get the new one."""

    def __init__(self, view: View, frames: int | None) -> None:
        self.write = Writer(view)
        self._view, self._frames = view, frames
        self._live = {value.name for value in view.inputs}
        """Tensors that frames influence."""
        self._rules: Mapping[str, Callable[[onnx.NodeProto], onnx.NodeProto | None]] = {
            **dict.fromkeys(("Concat", "Split", "ArgMax", "Gather", "Softmax", "LogSoftmax", "Flatten"), self._axis),
            **dict.fromkeys(("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "Squeeze", "Unsqueeze"), self._axes),
            "MaxUnpool": self._unpool,
            "Pad": self._pad,
            "Reshape": self._reshape,
            "Resize": self._resize,
            "Slice": self._slice,
            "Transpose": self._transpose,
        }

    def add(self, node: onnx.NodeProto) -> None:
        """Take a node over; raises ModelError."""
        if not self._live.intersection(node.input):
            self.write.nodes.append(node)
            return
        self._live.update(filter(None, node.output))
        made = self._same_rank(node) if node.op_type in _APART else self._rules.get(node.op_type, _unknown)(node)
        if made is None:
            raise ModelError(
                f"{label(node)} may mix the frames of a batch", hint="this network takes one frame at a time"
            )
        for name in filter(None, node.output):
            self.require_one(name)
        self.write.nodes.append(made)

    def require_one(self, name: str) -> None:
        """Raises ModelError: that map is not one frame's."""
        shape = self._view.shape(name)
        if not shape or shape[0] != 1:
            raise ModelError(
                f"'{name}' {list(shape)} has no axis for the frames of a batch",
                hint="this network takes one frame at a time",
            )

    def _same_rank(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        ranks = {self._rank(name) for name in (*node.input, *node.output) if name in self._live}
        return node if len(ranks) == 1 else None

    def _rank(self, name: str) -> int:
        return len(self._view.shape(name))

    def _constant(self, node: onnx.NodeProto, index: int) -> NDArray[Any] | None:
        name = node.input[index] if index < len(node.input) else ""
        return self._view.constant(name) if name else None

    def _axis(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        default = {"Softmax": -1 if self._view.opset >= 13 else 1, "LogSoftmax": -1 if self._view.opset >= 13 else 1}
        axis = attributes(node).get("axis", default.get(node.op_type, 1 if node.op_type == "Flatten" else 0))
        apart = axis % self._rank(node.input[0]) != 0 and (node.op_type != "Gather" or node.input[1] not in self._live)
        return node if apart else None

    def _axes(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        axes = attributes(node).get("axes")
        given = self._constant(node, 1) if axes is None else axes
        rank = self._rank(node.output[0] if node.op_type == "Unsqueeze" else node.input[0])
        return node if given is not None and all(int(axis) % rank for axis in given) else None

    def _slice(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        axes, rank = self._constant(node, 3), self._rank(node.input[0])
        return node if axes is not None and all(int(axis) % rank for axis in axes) else None

    def _transpose(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        return node if attributes(node).get("perm", [-1])[0] == 0 else None

    def _pad(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        pads, axes = self._constant(node, 1), self._constant(node, 3)
        if pads is None or (len(node.input) > 3 and node.input[3] and axes is None):
            return None
        rank = self._rank(node.input[0])
        padded = [axis % rank for axis in (range(rank) if axes is None else axes.tolist())]
        sides = pads.reshape(2, -1)
        return node if not any(sides[:, place].any() for place, axis in enumerate(padded) if axis == 0) else None

    def _reshape(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        """The first dimension is taken over; the others must be known without it."""
        shape = self._constant(node, 1)
        if shape is None or attributes(node).get("allowzero") or shape.ravel()[0] not in (0, 1, -1):
            return None
        return self._replaced(node, 1, np.array([0, *self._view.shape(node.output[0])[1:]], np.int64))

    def _unpool(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        shape = self._constant(node, 2)
        if shape is None:
            return node if len(node.input) < 3 else None
        if self._frames is None:
            return None
        return self._replaced(node, 2, np.array([self._frames, *shape[1:]], np.int64))

    def _resize(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        sizes = self._constant(node, 3)
        if sizes is None:
            scales = self._constant(node, 2)
            return node if scales is not None and scales.ravel()[0] == 1 else None
        if self._frames is None:
            return None
        return self._replaced(node, 3, np.array([self._frames, *sizes[1:]], np.int64))

    def _replaced(self, node: onnx.NodeProto, index: int, value: NDArray[np.int64]) -> onnx.NodeProto:
        changed = onnx.NodeProto()
        changed.CopyFrom(node)
        changed.input[index] = self.write.constant(node.input[index], value)
        return changed


def _unknown(_node: onnx.NodeProto) -> None:
    return None
