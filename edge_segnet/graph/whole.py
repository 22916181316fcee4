"""A quantised graph in the words that ONNX Runtime computes in whole numbers: the same values, other operators.

It makes one operator of whole numbers of DequantizeLinear, Conv, QuantizeLinear where nothing is between them, and is
quick where maps are uint8. So

* a Clip or Relu between a convolution and the QuantizeLinear behind it becomes a Clip of whole numbers behind that:
  rounding never turns two values round, so it does not matter which comes first;
* maps are uint8 with 128 for zero in the place of int8 with 0;
* the convolution's bias becomes int32, in steps of its accumulator;
* weights of convolutions that stay as they are (a sum or a pooling reads them) are multiplied out here, once, and not
  at every frame.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_segnet.graph.edit import Writer, install
from edge_segnet.graph.quantise import QUANTISING
from edge_segnet.graph.view import Wiring, attributes

ZERO: Final = 128
"""Of uint8, what 0 is of int8."""
_BOUNDING: Final = ("Clip", "Relu")
_MOST: Final = 2.0**31 - 2**8
"""Steps that a bias may have; float64's neighbours of the last ones are int32's."""


def whole_numbers(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` for ONNX Runtime; it is not changed. One that another program has quantised in another way stays as
    it is.
    """
    view = Wiring(model)
    zeros = [view.constant(node.input[2]) if len(node.input) > 2 else None for node in _quantising(model)]
    if any(zero is None or zero.dtype != np.int8 or zero.any() for zero in zeros):
        return model
    result = onnx.ModelProto()
    result.CopyFrom(model)
    edit = _Whole(view)
    for node in model.graph.node:
        edit.add(node)
    install(result.graph, edit.write)
    return result


def _quantising(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    return [node for node in model.graph.node if node.op_type in QUANTISING]


class _Whole:
    def __init__(self, view: Wiring) -> None:
        self.write = Writer(view)
        self._view = view
        self._ends = {node.output[0]: end for node in view.graph.node if (end := self._end(node)) is not None}
        """Convolutions that become whole, by their outputs, each with the QuantizeLinear behind it."""
        self._bounding = {}
        for node in view.graph.node:
            if node.output[0] in self._ends and (bound := self._reader(node.output[0])).op_type in _BOUNDING:
                self._bounding[bound.output[0]] = node
        self._folded: dict[str, str] = {}

    def add(self, node: onnx.NodeProto) -> None:
        if node.op_type == "Conv" and self._is_quantised(node):
            self._conv(node)
        elif node.output and node.output[0] in self._bounding:
            return  # the QuantizeLinear behind it does that
        elif node.op_type in QUANTISING and self._is_map(node):
            self._map(node)
        else:
            self.write.nodes.append(node)

    def _is_quantised(self, node: onnx.NodeProto) -> bool:
        found = [self._view.producer.get(name) for name in node.input[:2]]
        return all(one is not None and one.op_type == "DequantizeLinear" for one in found)

    def _is_map(self, node: onnx.NodeProto) -> bool:
        zero = self._view.constant(node.input[2])
        return zero is not None and zero.shape == ()

    def _reader(self, name: str) -> onnx.NodeProto:
        """The only node that reads a tensor; an empty one where there are several."""
        readers = self._view.consumers[name]
        alone = len(readers) == 1 and name not in self._view.output_names
        return readers[0] if alone else onnx.NodeProto()

    def _end(self, node: onnx.NodeProto) -> onnx.NodeProto | None:
        if node.op_type != "Conv" or not self._is_quantised(node) or self._bias(node) is None:
            return None
        reader = self._reader(node.output[0])
        if reader.op_type in _BOUNDING and self._bounds(reader) is not None:
            reader = self._reader(reader.output[0])
        return reader if reader.op_type == "QuantizeLinear" else None

    def _bounds(self, node: onnx.NodeProto) -> tuple[float, float] | None:
        """What a Clip or Relu lets through; None where that is no constant."""
        if node.op_type == "Relu":
            return 0.0, np.inf
        limits = [-np.inf, np.inf]
        for place, name in enumerate(node.input[1:]):
            if not name:
                continue
            value = self._view.constant(name)
            if value is None or value.size != 1:
                return None
            limits[place] = float(value.ravel()[0])
        return limits[0], limits[1]

    def _conv(self, node: onnx.NodeProto) -> None:
        changed = onnx.NodeProto()
        changed.CopyFrom(node)
        if node.output[0] not in self._ends:
            changed.input[1] = self._multiplied(node.input[1])
        elif len(node.input) > 2:
            found = self._bias(node)
            assert found is not None
            steps, scale = found
            name = node.input[2]
            zero = np.zeros(len(steps), np.int32)
            inputs = [(f"{name}.int32", steps), (f"{name}.scale", scale), (f"{name}.zero", zero)]
            whole = [self.write.constant(*each) for each in inputs]
            changed.input[2] = self.write.node("DequantizeLinear", whole, f"{name}.rounded", axis=0)
        if node.output[0] in self._ends:
            quantise = self._ends[node.output[0]]
            changed.output[0] = quantise.input[0]  # what is between them goes
        self.write.nodes.append(changed)

    def _bias(self, node: onnx.NodeProto) -> tuple[NDArray[np.int32], NDArray[np.float32]] | None:
        """In steps of the accumulator, and what a step is worth; None where int32 does not hold it."""
        scales = [self._view.constant(self._view.producer[name].input[1]) for name in node.input[:2]]
        assert scales[0] is not None and scales[1] is not None
        scale = (scales[0] * scales[1]).astype(np.float32)
        if len(node.input) < 3 or not node.input[2]:
            return np.zeros(len(scale), np.int32), scale
        bias = self._view.constant(node.input[2])
        if bias is None or (scale <= 0).any():
            return None
        steps = np.rint(bias.astype(np.float64) / scale)
        return None if (np.abs(steps) > _MOST).any() else (steps.astype(np.int32), scale)

    def _multiplied(self, name: str) -> str:
        """A weight as float32, as its DequantizeLinear gives it."""
        if name not in self._folded:
            node = self._view.producer[name]
            whole, scale = self._view.constant(node.input[0]), self._view.constant(node.input[1])
            assert whole is not None and scale is not None
            assert attributes(node).get("axis", 1) == 0
            value = whole.astype(np.float32) * scale.reshape(-1, *[1] * (whole.ndim - 1))
            self._folded[name] = self.write.constant(f"{name}.float", value)
        return self._folded[name]

    def _map(self, node: onnx.NodeProto) -> None:
        write = self.write
        changed = onnx.NodeProto()
        changed.CopyFrom(node)
        changed.input[2] = write.constant("uint8.zero", np.array(ZERO, np.uint8))
        bound = self._bounding.get(node.input[0])
        if node.op_type == "DequantizeLinear" or bound is None:
            write.nodes.append(changed)
            return
        scale = self._view.constant(node.input[1])
        limits = self._bounds(self._view.producer[node.input[0]])
        assert scale is not None and limits is not None
        low, high = (int(np.clip(np.rint(limit / float(scale)), -128, 127)) + ZERO for limit in limits)
        changed.output[0] = changed.name = write.fresh(f"{node.output[0]}.unbounded")
        write.nodes.append(changed)
        ends = [write.constant("uint8.bound", np.array(limit, np.uint8)) for limit in (low, high)]
        write.node("Clip", [changed.output[0], *ends], node.output[0], exact=True)
