"""Walks the layers of a prototxt: resolves blobs by top, folds, finds the logits, writes the canonical graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_segnet.core.errors import ModelError, first_line
from edge_segnet.core.size import MAX_SIZE, MIN_SIZE
from edge_segnet.graph.build import OPSET
from edge_segnet.graph.caffe.blobs import Labels, Map, Mask, Normalisation, Size3, Truth, Value
from edge_segnet.graph.caffe.prototxt import Layer, Prototxt, _count_readers
from edge_segnet.graph.caffe.weights import Blob, about_unused, read_weights
from edge_segnet.graph.count import Cost, count
from edge_segnet.graph.edit import drop_unreached, rename


@dataclass
class Imported:
    """The canonical graph, and what became of the file's layers."""

    model: onnx.ModelProto
    name: str
    size: tuple[int, int]
    """(width, height)"""
    classes: int
    cost: Cost
    layers: Counter[str]
    """Layer types and how many there are, of the test phase."""
    folded: list[str]
    """Names of the layers that went into the convolution before them."""
    ignored: list[str]
    """Layers without an effect at test time, each with the reason."""
    notes: list[str] = field(default_factory=list)
    """What its user should know."""


class Net:
    """The graph so far. Weights stay NumPy arrays until the end, because later layers fold into them."""

    def __init__(
        self,
        description: Prototxt,
        prototxt: Path,
        caffemodel: Path,
        size: tuple[int, int] | None,
        normalisation: Normalisation | None = None,
    ) -> None:
        self.size = size
        self.normalisation = normalisation or Normalisation()
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}
        self.groups: dict[str, int] = {}
        """Groups of each transposed convolution, whose kernels are laid out the other way round."""
        self.folded: list[str] = []
        self.ignored: list[str] = []
        self.notes: list[str] = []
        self._prototxt, self._caffemodel, self._description = prototxt, caffemodel, description
        self._weights = read_weights(caffemodel)
        self._used: set[str] = set()
        self._blobs: dict[str, Value] = {}
        self._readers = _count_readers(description)
        self._at = -1
        self._taken = {"frame", "logits"}
        self._frame: Size3 | None = None
        for index, (name, shape) in enumerate(description.inputs):
            if index == 0:
                self._blobs[name] = self.picture(shape, str(prototxt), readers=self._readers[(-1, 0)])
            else:
                self._blobs[name] = Truth()

    @property
    def batch(self) -> int:
        """Pictures that the graph takes at once."""
        return self.normalisation.batch or 1

    def add(self, index: int, layer: Layer, handle: Callable[[Net, Layer], None]) -> None:
        """Have one layer translated by its handler; errors name it."""
        self._at = index
        handle(self, layer)

    # What handlers use -----------------------------------------------------------------------------------------

    def map(self, layer: Layer, index: int = 0) -> Map:
        """A bottom, which must be a map; raises ModelError."""
        value = self.value(layer, index)
        if not isinstance(value, Map):
            kinds = {Mask: "a pooling mask", Truth: "ground truth", Labels: "labels"}
            raise layer.error(f"reads '{layer.bottoms[index]}', which is {kinds[type(value)]}, not a map")
        return value

    def value(self, layer: Layer, index: int) -> Value:
        if index >= len(layer.bottoms):
            raise layer.error(f"has {len(layer.bottoms)} bottoms", hint=f"{index + 1} are needed")
        name = layer.bottoms[index]
        if name not in self._blobs:
            raise layer.error(f"reads '{name}', which no layer before it makes", hint="blobs go by 'top', not by name")
        return self._blobs[name]

    def put(self, layer: Layer, value: Value, index: int = 0) -> None:
        """Set a top; one that is called like the bottom (in place) is a new version of it."""
        if index >= len(layer.tops):
            raise layer.error("has no top")
        if isinstance(value, Map):
            value = replace(value, readers=self._readers[(self._at, index)])
        self._blobs[layer.tops[index]] = value

    def is_read(self, index: int) -> bool:
        """Whether anyone reads the current layer's top ``index``."""
        return self._readers[(self._at, index)] > 0

    def blobs(self, layer: Layer, *shapes: tuple[int, ...]) -> list[Blob]:
        """The layer's weights, in these shapes; raises ModelError where the file has others.

        Old files write a vector as 1x1x1xC, so dimensions of one do not count.
        """
        if layer.name not in self._weights:
            others = ", ".join(list(self._weights)[:3])
            what = f"has no weights in {self._caffemodel}"
            raise layer.error(what, hint=f"it holds {others} and so on: is it another network's?")
        found = self._weights[layer.name]
        if len(found) != len(shapes):
            what = f"needs {len(shapes)} blobs, {self._caffemodel} has {len(found)} for it"
            raise layer.error(what, hint="the weights belong to another network")
        for index, (blob, shape) in enumerate(zip(found, shapes, strict=True)):
            if [side for side in blob.shape if side != 1] != [side for side in shape if side != 1]:
                what = f"needs {list(shape)} as blob {index}, {self._caffemodel} has {list(blob.shape)}"
                raise layer.error(what, hint="the weights belong to another network or another number of classes")
        self._used.add(layer.name)
        return [blob.reshape(shape) for blob, shape in zip(found, shapes, strict=True)]

    def free(self, name: str) -> str:
        """``name``, or the first of name_1, name_2, ... that no tensor has."""
        candidate, number = name, 0
        while candidate in self._taken:
            number += 1
            candidate = f"{name}_{number}"
        return candidate

    def _take(self, name: str) -> str:
        name = self.free(name)
        self._taken.add(name)
        return name

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """A constant tensor; gives the name that it got."""
        name = self._take(name)
        self.constants[name] = value
        return name

    def node(self, operator: str, inputs: Sequence[str], name: str, outputs: int = 1, **settings: Any) -> str:
        """A node whose first output is called ``name`` (or like it, where that is taken); gives that output."""
        output = self._take(name)
        names = [output, *(self._take(f"{output}.indices") for _ in range(1, outputs))]
        self.nodes.append(helper.make_node(operator, list(inputs), names, name=output, **settings))
        return output

    def picture(self, shape: Sequence[int], where: str, *, readers: int = 0, **transform: Any) -> Map:
        """The network's input: bytes HWC -> float CHW, minus mean, times scale; no other normalisation is implied."""
        if self._frame is not None:
            raise ModelError(f"{where}: a second picture as input", hint="one camera feeds one input")
        batch, channels, height, width = shape
        if channels != 3:
            raise ModelError(f"{where}: the input has {channels} channels", hint="colour pictures have 3 (BGR)")
        if self.size is not None:
            width, height = self.size
        if min(width, height) < MIN_SIZE or max(width, height) > MAX_SIZE:
            hint = f"{MIN_SIZE} to {MAX_SIZE} a side are possible: give --size WxH"
            raise ModelError(f"{where}: an input of {width}x{height} pixels", hint=hint)
        if batch != 1:
            self.notes.append(f"batch {batch} became 1")
        self._frame = (3, height, width)
        tensor = self.node("Cast", ["frame"], "input.cast", to=TensorProto.FLOAT)
        tensor = self.node("Transpose", [tensor], "image", perm=[0, 3, 1, 2])
        if any(mean := transform.get("mean", (0.0, 0.0, 0.0))):
            value = np.array(mean, np.float32).reshape(1, 3, 1, 1)
            tensor = self.node("Sub", [tensor, self.constant("input.mean", value)], "image.centred")
        if (scale := transform.get("scale", 1.0)) != 1.0:
            tensor = self.node(
                "Mul", [tensor, self.constant("input.scale", np.float32(scale).reshape(()))], "image.scaled"
            )
        return Map(tensor, self._frame, readers=readers)

    # The end ---------------------------------------------------------------------------------------------------

    def finish(self) -> Imported:
        """Find the logits and write the model; raises ModelError if there are none, or not of the input's size."""
        if self._frame is None:
            raise ModelError(f"{self._prototxt}: no input", hint="add an Input layer, or input and input_dim")
        logits = self._logits()
        if logits.shape[1:] != self._frame[1:]:
            sizes = [f"{shape[2]}x{shape[1]}" for shape in (self._frame, logits.shape)]
            raise ModelError(
                f"{self._prototxt}: for a picture of {sizes[0]} the network gives {sizes[1]} scores",
                hint="another --size (a multiple of 8, say) may help; an encoder alone has no full-size output",
            )
        unused = {name: blobs for name, blobs in self._weights.items() if name not in self._used}
        self.notes += about_unused(self._caffemodel.name, unused)
        self._weights.clear()
        model = self._model(logits)
        kinds = Counter(layer.kind for layer in self._description.layers)
        size = (self._frame[2], self._frame[1])
        return Imported(
            model, self._description.name, size, logits.shape[0], count(model), kinds, self.folded, self.ignored,
            self.notes,
        )  # fmt: skip

    def _logits(self) -> Map:
        ends: dict[str, Map] = {}
        for value in self._blobs.values():
            end = value.scores if isinstance(value, Labels) else value
            if isinstance(end, Map) and (isinstance(value, Labels) or end.readers == 0):
                end = end.scores or end
                ends[end.tensor] = end
        if len(ends) != 1:
            names = ", ".join(sorted(ends)) or "none"
            what = f"{self._prototxt}: {len(ends)} outputs that could be the class scores: {names}"
            raise ModelError(what, hint="cut the file so that one remains")
        return next(iter(ends.values()))

    def statistics(self) -> onnx.ModelProto:
        """The graph that measures: ``frame`` uint8 [N,H,W,3] -> ``LAYER.mean`` and ``LAYER.variance`` float32 [C].

        Raises:
            ModelError: there is no BN layer.
        """
        if not self.normalisation.measured:
            raise ModelError(f"{self._prototxt}: no BN layer, so no statistics", hint="leave --bn-statistics out")
        pairs = self.normalisation.measured.items()
        named = [
            (tensor, f"{layer}.{what}")
            for layer, both in pairs
            for tensor, what in zip(both, ("mean", "variance"), strict=True)
        ]
        for tensor, name in named:
            self.nodes.append(helper.make_node("Identity", [tensor], [name], name=name))
        outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["channels"]) for _, name in named]
        return self._checked(outputs)

    def _model(self, logits: Map) -> onnx.ModelProto:
        scores = helper.make_tensor_value_info(logits.tensor, TensorProto.FLOAT, [1, *logits.shape])
        return self._checked([scores], logits.tensor)

    def _checked(self, outputs: list[onnx.ValueInfoProto], logits: str = "") -> onnx.ModelProto:
        assert self._frame is not None
        _, height, width = self._frame
        frame = helper.make_tensor_value_info("frame", TensorProto.UINT8, [self.batch, height, width, 3])
        graph = helper.make_graph(self.nodes, self._description.name or "caffe", [frame], outputs)
        for name in list(self.constants):
            # One at a time: 118 MB of weights need not be there twice.
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(self.constants.pop(name)), name))
        drop_unreached(graph)
        if logits:
            rename(graph, logits, "logits")
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="edge-segnet")
        model.ir_version = 8
        try:
            onnx.checker.check_model(model)
        except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
            raise ModelError(f"{self._prototxt}: no valid graph comes of it ({first_line(error)})") from None
        return model
