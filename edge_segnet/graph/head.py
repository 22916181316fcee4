"""What is made of the logits inside the graph: labels alone, or the whole decode.

The decode is the same on every backend (``cuda/decode.cu`` says it for GPUs): the label of every pixel, its margin, the
sum of the winning logits, and how many pixels are no number. A margin is how far the winner leads the runner-up, in
sixteenths of ``ln 2`` after the temperature: below ``UNCERTAIN`` the winner is less than twice as likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper

from edge_segnet.core.errors import ModelError
from edge_segnet.core.margins import MARGIN_TOP, margin_scale
from edge_segnet.graph.edit import Writer, drop_unreached, install
from edge_segnet.graph.model_files import DECODED
from edge_segnet.graph.view import View, attributes

Head = Literal["logits", "labels", "decode"]


@dataclass(frozen=True)
class Decode:
    """``temperature``: what divides the logits before a margin is called small. ``classes``: the id of void, which
    pixels get whose logits hold a NaN or whose winner is infinite; None: what follows the last channel."""

    temperature: float = 1.0
    classes: int | None = None


def append_labels(model: onnx.ModelProto, view: View) -> None:
    """Put ArgMax -> uint8 in the place of the logits output. ``view`` knows its shape, which no rewriting changes.

    Raises:
        ModelError: there are no logits.
    """
    name, shape = _find_logits(model, view, ("labels",))
    index = "labels.index"
    model.graph.node.append(helper.make_node("ArgMax", [name], [index], name=index, axis=1, keepdims=0))
    model.graph.node.append(helper.make_node("Cast", [index], ["labels"], name="labels", to=TensorProto.UINT8))
    _replace_output(model, name, [("labels", TensorProto.UINT8, [shape[0], *shape[2:]])])


def append_decode(model: onnx.ModelProto, view: View, decode: Decode, *, max_keeps_nan: bool) -> None:
    """Put the outputs ``DECODED`` in the place of the logits output [1,C,H,W]. ``view``: as ``append_labels``.

    ``max_keeps_nan``: the runtime's Max and Min give NaN where an input is (ONNX Runtime's do); elsewhere one more sum
    finds them.

    Raises:
        ModelError: the model has no logits, or too many classes for a label of one byte.
    """
    name, (_, channels, height, width) = _find_logits(model, view, DECODED)
    void = channels if decode.classes is None else decode.classes
    if void > 255:
        raise ModelError(f"{void} classes: labels of one byte hold 255 classes and void")
    writing = _Decoding(model, view, name, max_keeps_nan)
    writing.labels_and_margins((height, width), void, margin_scale(decode.temperature))
    writing.sums(height * width)
    install(model.graph, writing.write)
    made: list[tuple[str, int, list[int]]] = [(each, TensorProto.UINT8, [1, height, width]) for each in DECODED[:2]]
    made += [("winning", TensorProto.FLOAT, [1]), ("broken", TensorProto.INT64, [1])]
    _replace_output(model, name, made)
    drop_unreached(model.graph)


def _find_logits(model: onnx.ModelProto, view: View, own: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
    """Name and shape of the logits output; none of the names in ``own`` may be in use."""
    outputs = [value for value in model.graph.output if value.name == "logits"] or list(model.graph.output)
    if len(outputs) != 1:
        names = [value.name for value in outputs]
        raise ModelError(f"which of the outputs {names} are the logits?", hint="call it 'logits', or keep one output")
    name = outputs[0].name
    shape = view.shape(name)
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
    if len(shape) != 4 or not 1 <= shape[1] <= 256 or view.elem_type(name) not in floats:
        raise ModelError(f"output '{name}' {list(shape)} is not logits [N,C,H,W] of up to 256 classes")
    inputs = {value.name for value in view.inputs}
    if taken := [each for each in own if each in view.producer or each in view.initializers or each in inputs]:
        raise ModelError(f"the model has a tensor called '{taken[0]}' already", hint="use --head logits")
    return name, shape


def _replace_output(model: onnx.ModelProto, name: str, made: list[tuple[str, int, list[int]]]) -> None:
    infos = [helper.make_tensor_value_info(*each) for each in made]
    kept = [[value] if value.name != name else infos for value in model.graph.output]
    del model.graph.output[:]
    model.graph.output.extend(value for values in kept for value in values)


class _Decoding:
    """Writes the decode of the logits ``name``.

    Where a DepthToSpace gives the logits, what it arranges is decoded instead, its four planes one above the other, and
    the labels are arranged: that moves two bytes a pixel and not four a class.
    """

    def __init__(self, model: onnx.ModelProto, view: View, name: str, max_keeps_nan: bool) -> None:
        self.write = write = Writer(view)
        write.go_on(model.graph)
        self._opset, self._max_keeps_nan = view.opset, max_keeps_nan
        self._scattered: tuple[int, int] | None = None
        unarranged = _before_depth_to_space(model, view, name)
        self._classes = view.shape(name)[1]
        if unarranged is not None:
            _, _, height, width = view.shape(unarranged)
            self._scattered = height, width
            shape = write.integers("decode.planes", (1, self._classes, 4 * height, width))
            name = write.node("Reshape", [unarranged, shape], "decode.logits")
        if any(value.type.tensor_type.elem_type == TensorProto.FLOAT16 for value in model.graph.output):
            name = write.node("Cast", [name], "decode.wide", to=TensorProto.FLOAT)
        self._logits = name
        self._best, self._second = self._two_largest()
        self._whole = self._find_whole()

    def labels_and_margins(self, size: tuple[int, int], classes: int, scale: float) -> None:
        write = self.write
        index = write.node("ArgMax", [self._logits], "decode.index", axis=1, keepdims=1)
        byte = write.node("Cast", [index], "decode.byte", to=TensorProto.UINT8)
        void = write.constant("decode.void", np.array(classes, np.uint8))
        self._arrange(write.node("Where", [self._whole, byte, void], "decode.labels"), "labels", size)
        units = write.constant("decode.scale", np.array(scale, np.float32))
        lead = write.node("Sub", [self._best, self._second], "decode.lead")
        scaled = write.node("Mul", [lead, units], "decode.scaled")
        top = write.constant("decode.top", np.array(MARGIN_TOP, np.float32))
        # What a NaN becomes as a byte is anybody's guess, and is not looked at. Choosing among bytes is quick.
        bytes_ = write.node(
            "Cast", [write.node("Min", [scaled, top], "decode.cut")], "decode.bytes", to=TensorProto.UINT8
        )
        none = write.constant("decode.nothing", np.array(0, np.uint8))
        self._arrange(write.node("Where", [self._whole, bytes_, none], "decode.margins"), "margins", size)

    def sums(self, pixels: int) -> None:
        write = self.write
        none = write.constant("decode.none", np.array(0, np.float32))
        counting = write.node("Where", [self._whole, self._best, none], "decode.winning")
        self._sum(counting, "winning", (1, 2, 3), exact=True)
        ones = write.node("Cast", [self._whole], "decode.ones", to=TensorProto.FLOAT)
        counted = write.node(
            "Cast", [self._sum(ones, "decode.counted", (1, 2, 3))], "decode.count", to=TensorProto.INT64
        )
        write.node("Sub", [write.integers("decode.pixels", (pixels,)), counted], "broken", exact=True)

    def _two_largest(self) -> tuple[str, str]:
        """Maps [1,1,h,w] of the largest and the second largest logit; that of a single class is minus infinity."""
        write, count = self.write, self._classes
        if count == 1:
            lowest = write.constant("decode.lowest", np.array(-np.inf, np.float32))
            return self._logits, write.node("Min", [self._logits, lowest], "decode.second")
        planes = [write.fresh(f"decode.class{index}") for index in range(count)]
        if self._opset >= 13:
            inputs = [self._logits, write.integers("decode.split", (1,) * count)]
            split = helper.make_node("Split", inputs, planes, name=planes[0], axis=1)
        else:
            split = helper.make_node("Split", [self._logits], planes, name=planes[0], axis=1, split=[1] * count)
        write.nodes.append(split)
        best, second = planes[0], ""
        for plane in planes[1:]:
            lower = write.node("Min", [best, plane], "decode.lower")
            second = write.node("Max", [second, lower], "decode.second") if second else lower
            best = write.node("Max", [best, plane], "decode.best")
        return best, second

    def _find_whole(self) -> str:
        """Mask [1,1,h,w] of the pixels that are no broken ones: a NaN is not below infinity, either."""
        write = self.write
        size = write.node("Abs", [self._best], "decode.size")
        whole = write.node(
            "Less", [size, write.constant("decode.infinite", np.array(np.inf, np.float32))], "decode.below"
        )
        if self._max_keeps_nan or self._classes == 1:
            return whole
        nan = write.node("IsNaN", [self._sum(self._logits, "decode.sum", (1,), keepdims=1)], "decode.nan")
        return write.node("And", [whole, write.node("Not", [nan], "decode.number")], "decode.good")

    def _sum(self, source: str, name: str, axes: tuple[int, ...], *, exact: bool = False, keepdims: int = 0) -> str:
        write = self.write
        if self._opset >= 13:
            inputs = [source, write.integers("decode.axes", axes)]
            return write.node("ReduceSum", inputs, name, exact=exact, keepdims=keepdims)
        return write.node("ReduceSum", [source], name, exact=exact, axes=axes, keepdims=keepdims)

    def _arrange(self, source: str, name: str, size: tuple[int, int]) -> None:
        """[1,1,h,w] -> [1,H,W]: what DepthToSpace would have done, for bytes."""
        write = self.write
        if self._scattered is None:
            write.node("Reshape", [source, write.integers("decode.shape", (1, *size))], name, exact=True)
            return
        height, width = self._scattered
        planes = write.integers("decode.blocks", (1, 2, 2, height, width))
        apart = write.node("Reshape", [source, planes], f"{name}.blocks")
        turned = write.node("Transpose", [apart], f"{name}.turned", perm=[0, 3, 1, 4, 2])
        write.node("Reshape", [turned, write.integers("decode.shape", (1, *size))], name, exact=True)


def _before_depth_to_space(model: onnx.ModelProto, view: View, name: str) -> str | None:
    """What a DepthToSpace arranges to the tensor ``name``. (Where an odd size is cut afterwards, the sums would count
    what is cut; such logits are decoded as they come.)
    """
    node = next((node for node in model.graph.node if name in node.output), None)
    if node is None or view.dims(node.input[0]) is None or node.op_type != "DepthToSpace":
        return None
    found = attributes(node)
    return node.input[0] if (found.get("blocksize"), found.get("mode")) == (2, "CRD") else None
