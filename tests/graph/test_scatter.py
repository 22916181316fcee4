"""Spellings of index unpooling: what is proved to be one becomes MaxUnpool, what is not stays and runs as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.lower import lower
from tests.graph.runtimes import run_onnxruntime
from tests.support.nets import Sketch, tensor

C, H, W = 4, 9, 14
PLANE, POOLED = H * W, (H // 2) * (W // 2)
IMAGE = np.random.default_rng(0).integers(-2, 3, (1, C, H, W)).astype(np.float32)


class Spelling(Sketch):
    """``x`` pooled to ``p``, whose doubled values ``v`` somebody puts back into a map."""

    def __init__(self, opset: int = 17) -> None:
        super().__init__(opset=opset)
        self.pool("x", "p")
        self.node("Add", ["p", "p"], "v")

    def ints(self, name: str, values: Any) -> str:
        return self.const(name, np.array(values, np.int64))

    def reshaped(self, source: str, name: str, shape: list[int]) -> str:
        return self.node("Reshape", [source, self.ints(f"{name}.to", shape)], name)

    def per_channel(self) -> str:
        """torch's own count: less the channel's first index, which a 1x1 pool gives."""
        self.pool("x", "one", kernel_shape=[1, 1], strides=[1, 1])
        cut = [self.ints(f"cut{i}", value) for i, value in enumerate(([0, 0], [1, 1], [2, 3]))]
        first = self.node("Slice", ["one.indices", *cut], "first")
        return self.node("Sub", ["p.indices", first], "plane")

    def flat(self, source: str, name: str) -> str:
        return self.reshaped(source, name, [-1])

    def finish(self, source: str) -> onnx.ModelProto:
        self.node("Neg", [self.reshaped(source, "map", [1, C, H, W])], "y")
        return self.model(tensor("x", [1, C, H, W]), tensor("y", [1, C, H, W]))


def scatter_nd(offset: int = 0, zero: float = 0.0, wrapped: bool = False, **settings: Any) -> onnx.ModelProto:
    """As torch's exporter writes it."""
    net = Spelling()
    starts = net.ints("starts", np.arange(C).reshape(1, C, 1, 1) * PLANE + offset)
    places = net.flat(net.node("Add", [starts, net.per_channel()], "moved"), "places")
    if wrapped:
        less = net.node("Less", [places, net.ints("nought", 0)], "less")
        places = net.node("Where", [less, net.node("Add", [places, net.ints("all", C * PLANE)], "up"), places], "wrap")
    column = net.node("Unsqueeze", [places, net.ints("last", [-1])], "column")
    empty = net.const("empty", np.full(C * PLANE, zero, np.float32))
    return net.finish(net.node("ScatterND", [empty, column, net.flat("v", "values")], "s", **settings))


def scatter_elements(axis: int = 2, operator: str = "ScatterElements", opset: int = 17) -> onnx.ModelProto:
    """``zeros.scatter_(2, indices, values)`` by hand."""
    net = Spelling(opset)
    places = net.reshaped(net.per_channel(), "places", [1, C, POOLED])
    values = net.reshaped("v", "values", [1, C, POOLED])
    shape = net.ints("shape", [1, C, PLANE])
    empty = net.node("ConstantOfShape", [shape], "empty")
    return net.finish(net.node(operator, [empty, places, values], "s", axis=axis))


def coordinates() -> onnx.ModelProto:
    """``zeros[0, channel, index] = values``: index tensors side by side."""
    net = Spelling()
    shape = (1, C, POOLED, 1)
    batch = net.ints("batch", np.zeros(shape, int))
    channel = net.ints("channel", np.broadcast_to(np.arange(C).reshape(1, C, 1, 1), shape))
    places = net.reshaped(net.per_channel(), "places", list(shape))
    joined = net.node("Concat", [batch, channel, places], "joined", axis=-1)
    empty = net.const("empty", np.zeros((1, C, PLANE), np.float32))
    values = net.reshaped("v", "values", [1, C, POOLED])
    return net.finish(net.node("ScatterND", [empty, joined, values], "s"))


@pytest.mark.parametrize(
    "model",
    [
        scatter_nd(),
        scatter_nd(wrapped=True),
        scatter_nd(reduction="add"),
        scatter_elements(),
        scatter_elements(axis=-1),
        scatter_elements(operator="Scatter", opset=10),
        coordinates(),
    ],
    ids=["flat", "negative allowed", "added", "elements", "elements -1", "opset 10", "coordinates"],
)
def test_every_spelling_becomes_the_pair(model: onnx.ModelProto) -> None:
    expected = run_onnxruntime(model, IMAGE)
    assert 0 < np.count_nonzero(expected) <= C * POOLED
    native = lower(model, "onnxruntime").model
    kinds = [node.op_type for node in native.graph.node]
    assert "MaxUnpool" in kinds and not {"ScatterND", "ScatterElements", "Scatter", "Reshape"} & set(kinds)
    for lowered in (native, lower(model, "tensorrt").model):
        np.testing.assert_array_equal(run_onnxruntime(lowered, IMAGE), expected)


@pytest.mark.parametrize(
    "model",
    [scatter_nd(offset=1), scatter_nd(zero=0.5), scatter_nd(reduction="max")],
    ids=["moved by one", "into halves", "largest stays"],
)
def test_what_only_looks_like_it_runs_as_it_is_and_is_refused_elsewhere(model: onnx.ModelProto) -> None:
    lowered = lower(model, "onnxruntime").model
    assert "ScatterND" in {node.op_type for node in lowered.graph.node}
    np.testing.assert_array_equal(run_onnxruntime(lowered, IMAGE), run_onnxruntime(model, IMAGE))
    with pytest.raises(ModelError, match="the Indices of MaxPool 'p' are read by Sub 'plane', which is no unpooling"):
        lower(model, "tensorrt")
