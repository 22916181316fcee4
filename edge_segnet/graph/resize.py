"""A canonical model at another network size."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_segnet.core.errors import ModelError
from edge_segnet.core.size import MIN_SIZE
from edge_segnet.graph.border import model_border
from edge_segnet.graph.edit import Writer, drop_unread, install, rename
from edge_segnet.graph.pairing import find_unpoolings
from edge_segnet.graph.view import View, Wiring, infer, label

# fmt: off
_ANY_SIZE: Final = frozenset((
    "Abs", "Add", "ArgMax", "AveragePool", "BatchNormalization", "Cast", "Clip", "Concat", "Constant", "Conv",
    "ConvTranspose", "DepthToSpace", "DequantizeLinear", "Div", "Dropout", "Elu", "Equal", "Gather",
    "GlobalAveragePool", "GlobalMaxPool", "Greater", "HardSigmoid", "HardSwish", "Identity",
    "InstanceNormalization", "LRN", "LeakyRelu", "LogSoftmax", "Max", "MaxPool", "MaxUnpool", "Min", "Mul", "Neg",
    "PRelu", "Pad", "Pow", "QuantizeLinear", "ReduceMax", "ReduceMean", "ReduceSum", "Relu", "Selu", "Sigmoid",
    "Softmax", "Softplus", "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Transpose",
    "Unsqueeze", "Where",
))
# fmt: on
"""Operators whose attributes and constants say nothing about the map's size."""


@model_border
def resize(old: Wiring, size: tuple[int, int]) -> View:
    """Re-derive every static shape of a canonical model; the new model, with its shapes.

    The input, the logits, the exact sizes that MaxUnpool restores, a cut to the network's size (Slice) and a Resize to
    the network's size follow the new size; weights stay.

    Args:
        old: of a canonical model (``frame`` uint8 [1,H,W,3] -> ``logits`` [1,C,H,W]), which is not changed. Nobody
            needs the shapes of its maps.
        size: (width, height), each at least 32.

    Raises:
        ModelError: the model is not canonical, the size is too small, or a node has the old size in it in a way that
            only a new export can change.
    """
    width, height = size
    if min(size) < MIN_SIZE:
        raise ModelError(f"network size {width}x{height} is too small", hint=f"use at least {MIN_SIZE}x{MIN_SIZE}")
    frame, logits = _interface(old)
    if (frame[1], frame[2]) == (height, width):
        return old if isinstance(old, View) else View(old.model)
    model, work = old.model, onnx.ModelProto()
    work.CopyFrom(model)
    edit = _Resizing(old, (frame[1], frame[2]), (height, width))
    for node in model.graph.node:
        edit.add(node)
    install(work.graph, edit.write)
    work.graph.input[0].CopyFrom(helper.make_tensor_value_info("frame", TensorProto.UINT8, [1, height, width, 3]))
    work.graph.output[0].CopyFrom(helper.make_tensor_value_info("logits", TensorProto.FLOAT, None))
    inferred = infer(work, edit.pooled_from)
    _restore_unpooling(work, inferred, edit)
    _cut_logits(work, inferred, (height, width))
    work.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, logits[1], height, width])
    )
    return View(work, inferred)


def _interface(view: Wiring) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shapes of ``frame`` and ``logits``; raises ModelError when the model is not canonical."""
    names = [value.name for value in view.inputs], [value.name for value in view.graph.output]
    if names != (["frame"], ["logits"]):
        raise ModelError(
            f"only a canonical model (frame -> logits) can change its size, this one has {names[0]} -> {names[1]}",
            hint="make it canonical with: edge-segnet convert --spec FILE.yaml",
        )
    frame, logits = view.shape("frame"), view.shape("logits")
    if len(frame) != 4 or len(logits) != 4 or frame[1:3] != logits[2:]:
        raise ModelError(f"frame {list(frame)} and logits {list(logits)} are not of one size")
    return frame, logits


class _Resizing:
    """Copies nodes; constants that hold the old network size get the new one."""

    def __init__(self, view: Wiring, old: tuple[int, int], new: tuple[int, int]) -> None:
        self.write = Writer(view)
        self._view, self._old, self._new = view, old, new
        told = {node.output[0] for node in view.graph.node if node.op_type == "MaxUnpool" and any(node.input[2:])}
        self.pooled_from = {name: source for name, source in find_unpoolings(view).items() if name in told}

    def add(self, node: onnx.NodeProto) -> None:
        if self._is_constant(node):
            self.write.nodes.append(node)
        elif node.op_type == "Slice":
            self._slice(node)
        elif node.op_type == "Resize":
            self._scale(node)
        elif node.op_type in _ANY_SIZE:
            self.write.nodes.append(node)
        else:
            raise self._fixed_size(node)

    def _is_constant(self, node: onnx.NodeProto) -> bool:
        return all(self._view.constant(name) is not None for name in node.output) and node.op_type != "Shape"

    def _fixed_size(self, node: onnx.NodeProto) -> ModelError:
        width, height = self._old[::-1]
        return ModelError(
            f"{label(node)} may depend on the network size {width}x{height}",
            hint="export the model again at the size that you want",
        )

    def _constant(self, node: onnx.NodeProto, index: int) -> NDArray[Any]:
        value = self._view.constant(node.input[index]) if index < len(node.input) and node.input[index] else None
        if value is None:
            raise self._fixed_size(node)
        return value

    def _slice(self, node: onnx.NodeProto) -> None:
        """A cut of whole channels stays; a cut to the network's size follows it; others are unknown."""
        starts, ends = self._constant(node, 1), self._constant(node, 2)
        rank = self._rank(node)
        axes = self._constant(node, 3).tolist() if len(node.input) > 3 else list(range(len(starts)))
        steps = self._constant(node, 4).tolist() if len(node.input) > 4 else [1] * len(starts)
        new_ends = ends.tolist()
        for place, (axis, start, end, step) in enumerate(zip(axes, starts.tolist(), new_ends, steps, strict=True)):
            spatial = (axis % rank) - 2
            whole = start == 0 and end >= np.iinfo(np.int32).max
            if spatial < 0 or rank != 4 or whole:
                continue
            if start != 0 or step != 1 or end != self._old[spatial]:
                raise self._fixed_size(node)
            new_ends[place] = self._new[spatial]
        self._replace(node, 2, np.array(new_ends, ends.dtype))

    def _rank(self, node: onnx.NodeProto) -> int:
        """Of what a Slice reads and gives: the file says it where that is the logits, inference anywhere else."""
        known = self._view.dims(node.input[0]) or self._view.dims(node.output[0])
        if known is None:
            self._view = self._view if isinstance(self._view, View) else View(self._view.model)
            known = self._view.dims(node.input[0])
        return len(known or ())

    def _scale(self, node: onnx.NodeProto) -> None:
        """Constant scales stay; constant sizes must be the network's."""
        if len(node.input) > 3 and node.input[3]:
            sizes = self._constant(node, 3)
            if tuple(sizes.tolist()[-2:]) != self._old:
                raise self._fixed_size(node)
            self._replace(node, 3, np.array([*sizes.tolist()[:-2], *self._new], sizes.dtype))
        else:
            self._constant(node, 2)
            self.write.nodes.append(node)

    def _replace(self, node: onnx.NodeProto, index: int, value: NDArray[Any]) -> None:
        changed = onnx.NodeProto()
        changed.CopyFrom(node)
        changed.input[index] = self.write.constant(node.input[index], value)
        self.write.nodes.append(changed)


def _restore_unpooling(model: onnx.ModelProto, inferred: onnx.GraphProto, edit: _Resizing) -> None:
    """Give every MaxUnpool the new size of the map that was pooled."""
    shapes = {value.name: _static(value) for value in (*inferred.input, *inferred.value_info)}
    for node in model.graph.node:
        name = next(iter(node.output), "")
        if name not in edit.pooled_from:
            continue
        restored = shapes.get(edit.pooled_from[name])
        if restored is None:
            raise ModelError(f"the size that MaxUnpool '{name}' restores can't be derived")
        node.input[2] = edit.write.fresh(f"{name}.shape")
        model.graph.initializer.append(numpy_helper.from_array(np.array(restored, np.int64), node.input[2]))
    drop_unread(model.graph)


def _static(value: onnx.ValueInfoProto) -> list[int] | None:
    dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
    return dims if dims and all(dims) else None


def _cut_logits(model: onnx.ModelProto, inferred: onnx.GraphProto, size: tuple[int, int]) -> None:
    """Cut sub-pixel logits that came out a row or column too large, as odd sizes make them; ``inferred`` follows."""
    made = inferred.output[0]
    whole = _static(made)
    if whole is None or len(whole) != 4:
        raise ModelError("the size of the logits can't be derived", hint="export the model with static shapes")
    actual = (whole[2], whole[3])
    if actual == size:
        return
    last = next(node for node in model.graph.node if "logits" in node.output)
    if last.op_type != "DepthToSpace" or any(
        have - want not in (0, 1) for have, want in zip(actual, size, strict=True)
    ):
        raise ModelError(
            f"at {size[1]}x{size[0]} this network's logits come out {actual[1]}x{actual[0]}",
            hint="choose a size that is a multiple of the network's stride, or export it again",
        )
    rename(model.graph, "logits", "logits.full")
    last.name, model.graph.output[0].name = "logits.full", "logits"
    inferred.value_info.add().CopyFrom(made)
    inferred.value_info[-1].name = "logits.full"
    made.type.CopyFrom(helper.make_tensor_type_proto(TensorProto.FLOAT, [*whole[:2], *size]))
    write = Writer(View(model, inferred))
    inputs = [write.integers(f"logits.{key}", value) for key, value in (("starts", (0, 0)), ("ends", size))]
    write.node("Slice", ["logits.full", *inputs, write.integers("logits.axes", (2, 3))], "logits", exact=True)
    model.graph.node.extend(write.nodes)
    model.graph.initializer.extend(write.initializers)
