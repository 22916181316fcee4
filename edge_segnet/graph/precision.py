"""FP32 -> FP16 in the graph itself, for runtimes that take a network's types literally (strongly typed TensorRT).

Every float tensor becomes float16, outputs included, except in islands that stay float32 with Casts at their shores:

* what is computed from inputs and constants alone by moving and scaling (the preprocessing): a picture keeps its
  bits until the first layer;
* operators that square, exponentiate or sum over many values (LRN: 3 * 255^2 = 195,075 is past float16's 65,504);
* what is computed from constants and shapes alone, because sizes above 2,048 are not exact in float16.

What is quantised stays quantised: its scales become float16 (``quantise`` makes them such that this changes none).

Source of the range: IEEE 754 binary16, largest finite value 65,504.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.edit import Writer, install, newer
from edge_segnet.graph.quantise import QUANTISING, is_quantised
from edge_segnet.graph.view import View, label, subgraphs

_MOVES = frozenset(("Add", "Cast", "Concat", "Div", "Gather", "Identity", "Mul", "Pad", "Reshape", "Slice", "Split"))
_MOVES |= frozenset(("Squeeze", "Sub", "Transpose", "Unsqueeze"))
_WIDE = frozenset(("CumSum", "Exp", "GlobalAveragePool", "GRU", "LRN", "LSTM", "Log", "LogSoftmax", "Pow", "RNN"))
_WIDE |= frozenset(("Reciprocal", "Softmax", "Softplus", "Sqrt"))
_WIDE_FAMILIES = ("Reduce", "Random")
_FLOAT32_INPUTS: Final = {"Resize": (1, 2), "Upsample": (1,)}
"""Inputs that ONNX defines as float32 whatever the type of the map: scales, region of interest."""
_REFUSED = frozenset(("QLinearConv", "QLinearMatMul", "ConvInteger"))
_HALF_SCALES: Final = 19
"""Opset in which QuantizeLinear and DequantizeLinear learnt to read and give float16."""
_LIMIT: Final = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class HalfCounts:
    """What ``to_half`` changed; ``saturated`` counts constants whose values were cut to float16's range."""

    constants: int
    values: int
    saturated: int
    casts: int
    islands: dict[str, int]
    """Operators that stayed float32 inside the network (the preprocessing is not counted), by kind."""


def to_half(model: onnx.ModelProto) -> tuple[onnx.ModelProto, HalfCounts]:
    """Turn a float32 model into a float16 one; input types and all names of inputs and outputs stay.

    Constants beyond float16's range saturate at 65,504 (the pooling's "lowest value" does); infinities stay.

    Raises:
        ModelError: control flow or operators of whole numbers, whose types this cannot follow; or see ``view.View``.
    """
    if is_quantised(model):
        model = newer(model, _HALF_SCALES)
    view = View(model)
    result = onnx.ModelProto()
    result.CopyFrom(model)
    half = _Half(view)
    for node in model.graph.node:
        half.add(node)
    half.finish()
    for value in result.graph.output:
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.FLOAT16
    install(result.graph, half.write)
    return result, half.counts()


class _Half:
    def __init__(self, view: View) -> None:
        self.write = Writer(view)
        self._view = view
        self._raw = {value.name for value in view.inputs}
        self._fixed: set[str] = set()
        self._wide = set(self._raw)
        self._copies: dict[tuple[str, int], str] = {}
        self._renamed: dict[str, str] = {}
        self._counts = {"constants": 0, "values": 0, "saturated": 0, "casts": 0}
        self._islands: dict[str, int] = {}

    def counts(self) -> HalfCounts:
        return HalfCounts(**self._counts, islands=self._islands)

    def add(self, node: onnx.NodeProto) -> None:
        """Append ``node`` in the precision that it gets."""
        if node.op_type in _REFUSED or any(True for _ in subgraphs(node)):
            raise ModelError(f"{label(node)} can't be turned into float16", hint="convert this model with fp32")
        if self._is_float_constant(node):
            return
        wide = self._stays_wide(node)
        typed = onnx.NodeProto()
        typed.CopyFrom(node)
        for index, name in enumerate(node.input):
            exempt = index in _FLOAT32_INPUTS.get(node.op_type, ())
            typed.input[index] = self._fetch(name, TensorProto.FLOAT if wide or exempt else TensorProto.FLOAT16)
        if not wide:
            _narrow_attributes(typed)
        for index, name in enumerate(node.output):
            if wide and self._is_float(name):
                self._wide.add(name)
                if name in self._view.output_names:
                    typed.output[index] = self._renamed[name] = self.write.fresh(f"{name}.fp32")
        self.write.nodes.append(typed)

    def finish(self) -> None:
        """Give the outputs that were computed in float32 their names and float16."""
        for value in self._view.graph.output:
            name = value.name
            if name in self._renamed:
                self._cast(self._renamed[name], name, TensorProto.FLOAT16)
            elif self._is_float(name) and (name in self._raw or self._constant(name) is not None):
                raise ModelError(f"output '{name}' is an input or a constant", hint="convert this model with fp32")

    def _stays_wide(self, node: onnx.NodeProto) -> bool:
        if node.op_type in QUANTISING:
            return False
        sources = [name for name in node.input if name]
        if node.op_type in ("Shape", "Size") or all(name in self._fixed or self._is_fixed(name) for name in sources):
            self._fixed.update(node.output)
            return True
        known = self._raw | self._fixed
        if node.op_type in _MOVES and all(name in known or self._is_fixed(name) for name in sources):
            self._raw.update(node.output)
            return True
        if node.op_type in _WIDE or node.op_type.startswith(_WIDE_FAMILIES) or node.op_type.endswith("Normalization"):
            if any(self._is_float(name) for name in node.output):
                self._islands[node.op_type] = self._islands.get(node.op_type, 0) + 1
            return True
        return False

    def _is_fixed(self, name: str) -> bool:
        node = self._view.producer.get(name)
        return name in self._view.initializers or (node is not None and node.op_type == "Constant")

    def _is_float(self, name: str) -> bool:
        return self._view.elem_type(name) == TensorProto.FLOAT

    def _is_float_constant(self, node: onnx.NodeProto) -> bool:
        return node.op_type == "Constant" and self._is_float(node.output[0])

    def _constant(self, name: str) -> NDArray[Any] | None:
        return self._view.constant(name) if self._is_fixed(name) else None

    def _fetch(self, name: str, wanted: int) -> str:
        """The name under which a float tensor exists in the wanted type; other tensors keep theirs."""
        if not name or not self._is_float(name):
            return name
        if (name, wanted) in self._copies:
            return self._copies[name, wanted]
        value = self._constant(name)
        if value is not None:
            copy = self._convert(name, value, wanted)
        elif (name in self._wide) == (wanted == TensorProto.FLOAT):
            copy = self._renamed.get(name, name)
        else:
            suffix = "fp16" if wanted == TensorProto.FLOAT16 else "fp32"
            copy = self._cast(self._renamed.get(name, name), self.write.fresh(f"{name}.{suffix}"), wanted)
        self._copies[name, wanted] = copy
        return copy

    def _convert(self, name: str, value: NDArray[Any], wanted: int) -> str:
        if wanted == TensorProto.FLOAT:
            return name if name in self._view.initializers else self.write.constant(name, value)
        beyond = np.isfinite(value) & (np.abs(value) > _LIMIT)
        self._counts["constants"] += 1
        self._counts["values"] += value.size
        self._counts["saturated"] += int(beyond.any())
        narrow = np.where(beyond, np.copysign(_LIMIT, value), value).astype(np.float16)
        return self.write.constant(f"{name}.fp16", narrow)

    def _cast(self, source: str, output: str, wanted: int) -> str:
        self._counts["casts"] += 1
        self.write.nodes.append(helper.make_node("Cast", [source], [output], name=output, to=wanted))
        return output


def _narrow_attributes(node: onnx.NodeProto) -> None:
    """Attributes that name or carry the output's type."""
    for entry in node.attribute:
        if node.op_type in ("Cast", "EyeLike") and entry.name in ("to", "dtype") and entry.i == TensorProto.FLOAT:
            entry.i = TensorProto.FLOAT16
        if entry.type == onnx.AttributeProto.TENSOR and entry.t.data_type == TensorProto.FLOAT:
            entry.t.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(entry.t).astype(np.float16), entry.t.name))
    if node.op_type == "ConstantOfShape" and not node.attribute:
        node.attribute.append(helper.make_attribute("value", helper.make_tensor("", TensorProto.FLOAT16, [1], [0.0])))
