"""What comes out of a foreign model becomes logits float32 [1,C,H,W], one channel per class, void last if there is one.

Scores keep their meaning: backends call a pixel uncertain by the difference of its logits, so probabilities become
logarithms again. Where the softmax or sigmoid that made them is the graph's last node, it is simply left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.edit import Writer, rename
from edge_segnet.graph.spec import OutputSpec
from edge_segnet.graph.view import View, attributes, type_name

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
_PASSED_ON: Final = frozenset(("Identity", "Cast"))
_SMALLEST: Final = 1e-6
"""Of a probability before its logarithm is taken: a score must stay finite."""


@dataclass(frozen=True)
class Wanted:
    """``classes``: how many the class map has, None if unknown; ``size``: (height, width) of the picture; ``void``:
    the place of the output that is none.
    """

    classes: int | None
    size: tuple[int, int]
    void: int | None = None

    @property
    def channels(self) -> int | None:
        return None if self.classes is None else self.classes + (self.void is not None)


class Finish:
    """Writes the nodes from a model's output to its logits."""

    def __init__(self, write: Writer, view: View, wanted: Wanted) -> None:
        self._write, self._view, self._wanted = write, view, wanted
        self._found = ""

    def logits(self, name: str, spec: OutputSpec) -> tuple[str, int]:
        """Name and channels of the logits; raises ModelError where the output is not what the spec says."""
        shape, elem_type = self._view.shape(name), self._view.elem_type(name)
        self._found = f"output '{name.removesuffix('.model')}' is {type_name(elem_type)} {list(shape)}"
        if spec.kind == "labels":
            name, channels = self._one_hot(name, shape)
        else:
            name, shape = self._scores(name, spec, elem_type)
            name, channels = self._enlarged(name, shape), shape[1]
        if self._wanted.void is not None:
            name = self._void_last(name, channels)
        return name, channels

    def _scores(self, name: str, spec: OutputSpec, elem_type: int) -> tuple[str, tuple[int, ...]]:
        """Logits as float32 [1,C,h,w], at the network's own output size."""
        if elem_type not in _FLOATS:
            raise ModelError(f"{self._found}, not float scores per class", hint="check the spec's output: kind")
        before = self._before_probability(name)
        probabilities = spec.kind == "probability" and before is None
        name = before or name
        shape = self._view.shape(name)
        if self._view.elem_type(name) != TensorProto.FLOAT:
            name = self._write.node("Cast", [name], "output.float", to=TensorProto.FLOAT)
        name, shape = self._planes(name, shape, spec)
        if shape[1] == 1:
            name = self._two(name, spec, probabilities)
            shape = (1, 2, *shape[2:])
        elif probabilities:
            bounds = [self._float(key, value) for key, value in (("least", _SMALLEST), ("most", 1.0))]
            clipped = self._write.node("Clip", [name, *bounds], "output.clipped")
            name = self._write.node("Log", [clipped], "output.log")
        if self._wanted.channels not in (None, shape[1]):
            void = " and void" if self._wanted.void is not None else ""
            hint = "where one of the outputs is void, say which with: void: K" if not void else ""
            what = f"{self._found}: {shape[1]} channels, but the class map has {self._wanted.classes} classes{void}"
            raise ModelError(what, hint=hint)
        return name, shape

    def _before_probability(self, name: str) -> str | None:
        """What a last Softmax or Sigmoid over the classes is made from: the logits themselves."""
        node = self._view.producer.get(name)
        while node is not None and node.op_type in _PASSED_ON:
            node = self._view.producer.get(node.input[0])
        if node is None or node.op_type not in ("Softmax", "Sigmoid"):
            return None
        rank = len(self._view.shape(node.output[0]))
        axis = attributes(node).get("axis", -1 if self._view.opset >= 13 else 1) % rank
        over_classes = axis in (rank - 3, rank - 1)
        return str(node.input[0]) if node.op_type == "Sigmoid" or over_classes else None

    def _planes(self, name: str, shape: tuple[int, ...], spec: OutputSpec) -> tuple[str, tuple[int, ...]]:
        """As [1,C,h,w], whatever the layout, with or without a batch."""
        if len(shape) == 3:
            name = self._unsqueezed(name, 0)
            shape = (1, *shape)
        if len(shape) != 4 or shape[0] != 1:
            raise ModelError(f"{self._found}, not scores [1,C,H,W] of one picture", hint="check the spec's output")
        layout = spec.layout or self._layout(shape)
        if layout == "nhwc":
            name = self._write.node("Transpose", [name], "output.planes", perm=[0, 3, 1, 2])
            shape = (1, shape[3], *shape[1:3])
        return name, shape

    def _layout(self, shape: tuple[int, ...]) -> str:
        """By the number of channels that is expected; nchw where both would do."""
        expected = {self._wanted.channels, 1 if self._wanted.classes == 2 else None} - {None}
        return "nhwc" if shape[1] not in expected and shape[3] in expected else "nchw"

    def _unsqueezed(self, name: str, axis: int) -> str:
        if self._view.opset < 13:
            return self._write.node("Unsqueeze", [name], "output.batch", axes=[axis])
        return self._write.node("Unsqueeze", [name, self._write.integers("output.axis", (axis,))], "output.batch")

    def _float(self, key: str, value: float) -> str:
        return self._write.constant(f"output.{key}", np.array(value, np.float32))

    def _two(self, name: str, spec: OutputSpec, probabilities: bool) -> str:
        """One channel as the logits (-z/2, z/2) of two classes, z = log(p / (1 - p)) - log(t / (1 - t))."""
        if self._wanted.classes not in (None, 2) or self._wanted.void is not None:
            classes = "class" if self._wanted.classes == 1 else "classes"
            what = f"{self._found}: one channel says yes or no, but the class map has {self._wanted.classes} {classes}"
            raise ModelError(what, hint="give it two: what the pixel is where the answer is no, and where it is yes")
        write = self._write
        if probabilities:
            bounds = [self._float(key, value) for key, value in (("least", _SMALLEST), ("most", 1 - _SMALLEST))]
            yes = write.node("Clip", [name, *bounds], "output.clipped")
            no = write.node("Sub", [self._float("one", 1.0), yes], "output.no")
            name = write.node("Log", [write.node("Div", [yes, no], "output.odds")], "output.logit")
        if spec.threshold != 0.5:
            threshold = self._float("threshold", log(spec.threshold / (1 - spec.threshold)))
            name = write.node("Sub", [name, threshold], "output.over")
        halves = [write.node("Mul", [name, self._float("half", side)], "output.half") for side in (-0.5, 0.5)]
        return write.node("Concat", halves, "output.both", axis=1)

    def _one_hot(self, name: str, shape: tuple[int, ...]) -> tuple[str, int]:
        """Labels [H,W] with any ones around them: 1 for the class, 0 for the others."""
        height, width = self._wanted.size
        if tuple(side for side in shape if side != 1) != tuple(side for side in (height, width) if side != 1):
            wanted = f"[1,{height},{width}]"
            raise ModelError(f"{self._found}, not labels {wanted}", hint="check kind and layout of the spec's output")
        classes = self._wanted.channels
        if classes is None:
            raise ModelError(f"{self._found}: labels don't say how many classes there are", hint="give the class map")
        ids = self._write.constant("output.classes", np.arange(classes, dtype=np.float32).reshape(1, classes, 1, 1))
        if shape != (1, 1, height, width):
            flat = self._write.integers("output.shape", (1, 1, height, width))
            name = self._write.node("Reshape", [name, flat], "output.map")
        # As floats: every runtime compares those, and whole numbers below 2^24 stay exact.
        value = self._write.node("Cast", [name], "output.labels", to=TensorProto.FLOAT)
        mask = self._write.node("Equal", [value, ids], "output.hits")
        return self._write.node("Cast", [mask], "output.onehot", to=TensorProto.FLOAT), classes

    def _enlarged(self, name: str, shape: tuple[int, ...]) -> str:
        height, width = self._wanted.size
        if shape[2:] == (height, width):
            return name
        if shape[2] > height or shape[3] > width:
            raise ModelError(f"{self._found}: larger than the picture, {width}x{height}")
        empty = ""
        if self._view.opset < 13:
            empty = self._write.constant("output.unused", np.zeros(0, np.float32))
        sizes = self._write.integers("output.sizes", (*shape[:2], height, width))
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        return self._write.node("Resize", [name, empty, empty, sizes], "output.enlarged", exact=False, **how)

    def _void_last(self, name: str, channels: int) -> str:
        """The classes in their order without a gap, then void."""
        void = self._wanted.void
        if void is None or void == channels - 1:
            return name
        if void >= channels:
            raise ModelError(f"void: {void}, but {self._found}", hint=f"outputs are numbered 0 to {channels - 1}")
        order = [place for place in range(channels) if place != void]
        return self._write.node(
            "Gather", [name, self._write.integers("output.order", [*order, void])], "output.void", axis=1
        )


def move_void(model: onnx.ModelProto, void: int) -> None:
    """Put a canonical model's output ``void`` behind the classes', which keep their order; in place.

    Raises:
        ModelError: there is no such output.
    """
    view = View(model)
    channels = view.shape("logits")[1]
    if void >= channels:
        raise ModelError(f"void: {void}, but there are {channels} outputs", hint=f"they are 0 to {channels - 1}")
    if void == channels - 1:
        return
    write = Writer(view)
    rename(model.graph, "logits", "logits.found")
    places = write.integers("logits.order", [*(place for place in range(channels) if place != void), void])
    write.node("Gather", ["logits.found", places], "logits", exact=True, axis=1)
    for value in model.graph.output:
        if value.name == "logits.found":
            value.name = "logits"
    model.graph.node.extend(write.nodes)
    model.graph.initializer.extend(write.initializers)
