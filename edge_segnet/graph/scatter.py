"""Index unpooling in the words of exporters becomes MaxUnpool: the canonical pair that every backend knows.

ONNX's operators have had no one spelling for ``nn.MaxUnpool2d``. Known here, each proved from the graph before anything
is changed (``indices.Trace`` says what every index is):

* ScatterND into flat zeros (torch's exporter since 2.9), or by (n, c, index) triples;
* ScatterElements (or the old Scatter) into zeros along a flattened map, as written by hand with ``scatter_``;
* MaxUnpool itself with indices that count per channel, as torch does: ONNX means global ones, so a runtime that takes
  the graph at its word puts everything into the first channel.
"""

from __future__ import annotations

from math import prod

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edge_segnet.graph.edit import Writer, drop_unreached
from edge_segnet.graph.indices import Indices, Trace
from edge_segnet.graph.view import View, attributes

_SCATTERS = frozenset(("ScatterND", "ScatterElements", "Scatter"))
_RESHAPES = frozenset(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity"))


def has_scatter(model: onnx.ModelProto) -> bool:
    """Whether anything may be another spelling; our own models have nothing of the kind."""
    pooled = {node.output[1] for node in model.graph.node if node.op_type == "MaxPool" and len(node.output) > 1}
    return any(
        node.op_type in _SCATTERS or (node.op_type == "MaxUnpool" and node.input[1] not in pooled)
        for node in model.graph.node
    )


def fold_foreign(model: onnx.ModelProto) -> int:
    """``fold_scatter`` with shapes settled first, where there is anything to fold."""
    if not has_scatter(model):
        return 0
    settle_shapes(model)
    return fold_scatter(model)


def fold_scatter(model: onnx.ModelProto) -> int:
    """Rewrite every unpooling that is proved to be one, in place; returns how many there were.

    Everything else stays as it is. Shapes must be static.

    Raises:
        ModelError: see ``view.View``.
    """
    total = 0
    while True:
        view = View(model)
        fold = _Fold(view)
        nodes = [new for node in model.graph.node for new in fold.replace(node)]
        if not fold.count:
            break
        total += fold.count
        _put(model.graph, nodes, fold.write)
    if total:
        _join_reshapes(model)
    return total


def _put(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], write: Writer) -> None:
    copies = [onnx.NodeProto() for _ in nodes]
    for copy, node in zip(copies, nodes, strict=True):
        copy.CopyFrom(node)
    del graph.node[:]
    graph.node.extend(copies)
    graph.initializer.extend(write.initializers)
    drop_unreached(graph)


class _Fold:
    """Replaces nodes one by one; ``count`` says how many were unpoolings."""

    def __init__(self, view: View) -> None:
        self.write = Writer(view)
        self.count = 0
        self._view, self._indices = view, Indices(view)

    def replace(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The node itself, or what says the same with MaxUnpool."""
        if node.op_type == "MaxUnpool":
            trace = self._indices.trace(node.input[1])
            if (
                trace is not None
                and node.input[1] != trace.pool.output[1]
                and (trace.is_per_channel or trace.is_global)
            ):
                self.count += 1
                node.input[1] = trace.pool.output[1]
            return [node]
        if node.op_type == "ScatterND":
            trace = self._by_places(node)
        elif node.op_type in ("ScatterElements", "Scatter"):
            trace = self._along_axis(node)
        else:
            return [node]
        if trace is None or not self._adds_up(node, trace):
            return [node]
        self.count += 1
        return self._unpool(node, trace)

    def _by_places(self, node: onnx.NodeProto) -> Trace | None:
        """ScatterND: what its indices say of each value, as a place in the flattened result."""
        shape = self._view.shape(node.input[0])
        places = self._view.shape(node.input[1])
        if places[-1] == 1 == len(shape):
            return self._indices.trace(node.input[1])
        joined = self._view.producer.get(node.input[1])
        if places[-1] != len(shape) or joined is None or joined.op_type != "Concat":
            return None
        strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
        if len(joined.input) != len(shape):
            return None
        last = self._indices.trace(joined.input[-1])
        if last is None:
            return None
        shift = last.shift.copy()
        for name, stride in zip(list(joined.input)[:-1], strides, strict=False):
            constant = self._indices.constant(name)
            if constant is None or constant.size != shift.size:
                return None
            shift += constant.reshape(shift.shape) * stride
        return Trace(last.pool, last.source, shift)

    def _along_axis(self, node: onnx.NodeProto) -> Trace | None:
        """ScatterElements along the last axis: its indices start at 0 in every row."""
        shape = self._view.shape(node.input[0])
        trace = self._indices.trace(node.input[1])
        axis = attributes(node).get("axis", 0) % len(shape)
        if trace is None or axis != len(shape) - 1 or trace.shift.shape[:-1] != shape[:-1]:
            return None
        rows = np.arange(prod(shape[:-1]), dtype=np.int64) * shape[-1]
        return Trace(trace.pool, trace.source, trace.shift + rows.reshape(*shape[:-1], 1))

    def _adds_up(self, node: onnx.NodeProto, trace: Trace) -> bool:
        """Whether it puts one value per index, at that index, into zeros as large as the pooled map."""
        overlap = any(
            kernel > stride
            for kernel, stride in zip(
                attributes(trace.pool)["kernel_shape"], attributes(trace.pool).get("strides", [1, 1]), strict=True
            )
        )
        reduction = attributes(node).get("reduction", "none")
        return (
            trace.is_global
            and (reduction == "none" or (reduction == "add" and not overlap))
            and prod(self._view.shape(node.input[0])) == prod(trace.source)
            and prod(self._view.shape(node.input[2])) == trace.shift.size
            and self._is_zero(node.input[0])
        )

    def _is_zero(self, name: str) -> bool:
        """Zeros, without making them: they are as large as the map."""
        node = self._view.producer.get(name)
        if node is None:
            return name in self._view.initializers and not numpy_helper.to_array(self._view.initializers[name]).any()
        if node.op_type in _RESHAPES or node.op_type in ("Cast", "Expand"):
            return self._is_zero(node.input[0])
        if node.op_type == "ConstantOfShape":
            value = attributes(node).get("value")
            return value is None or not numpy_helper.to_array(value).any()
        value = self._view.constant(name)
        return value is not None and not value.any()

    def _unpool(self, node: onnx.NodeProto, trace: Trace) -> list[onnx.NodeProto]:
        write, name, pool = self.write, node.output[0], trace.pool
        at = len(write.nodes)
        given = attributes(pool)
        pooled = self._view.shape(pool.output[1])
        values = node.input[2]
        if self._view.shape(values) != pooled:
            values = write.node("Reshape", [values, write.integers(f"{name}.pooled", pooled)], f"{name}.values")
        exact = self._view.shape(name) == trace.source
        result = write.node(
            "MaxUnpool",
            [values, pool.output[1], write.integers(f"{name}.shape", trace.source)],
            name if exact else f"{name}.map",
            exact=exact,
            kernel_shape=given["kernel_shape"],
            strides=given.get("strides", [1, 1]),
            pads=given.get("pads", [0, 0, 0, 0]),
        )
        if not exact:
            write.node("Reshape", [result, write.integers(f"{name}.flat", self._view.shape(name))], name, exact=True)
        return write.nodes[at:]


def _join_reshapes(model: onnx.ModelProto) -> None:
    """Let whoever reads a map that was flattened and brought back to its shape read the map itself."""
    view = View(model)
    instead: dict[str, str] = {}
    for node in model.graph.node:
        if node.op_type in _RESHAPES:
            root = instead.get(node.input[0], node.input[0])
            while (before := view.producer.get(root)) is not None and before.op_type in _RESHAPES:
                if view.dims(root) == view.dims(node.output[0]):
                    break
                root = before.input[0]
            if view.dims(root) == view.dims(node.output[0]) is not None:
                instead[node.output[0]] = root
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = instead.get(name, name)
    drop_unreached(model.graph)


def settle_shapes(model: onnx.ModelProto) -> None:
    """Turn shapes and indices that the exporter left to be computed into constants, first those that others wait for.

    Only what no picture influences, in place; until nothing more can be.

    Raises:
        ModelError: see ``view.View``.
    """
    while True:
        view = View(model)
        write = Writer(view)
        settled = 0
        for node in model.graph.node:
            for index, name in enumerate(node.input):
                value = _computed(view, name)
                if value is not None:
                    node.input[index] = write.constant(f"{name}.settled", value)
                    settled += 1
        model.graph.initializer.extend(write.initializers)
        if not settled:
            return
        drop_unreached(model.graph)


_LARGEST_SHAPE = 64
"""Numbers in what can be a shape: anything longer is data, and folding it costs memory."""
_INTEGERS = (onnx.TensorProto.INT64, onnx.TensorProto.INT32)


def _computed(view: View, name: str) -> NDArray[np.int64] | None:
    """The value of a small integer tensor that a node makes from nothing but constants and static shapes."""
    node = view.producer.get(name)
    if (
        node is None
        or node.op_type == "Constant"
        or view.elem_type(name) not in (onnx.TensorProto.INT64, onnx.TensorProto.INT32)
    ):
        return None
    dims = view.dims(name)
    if dims is not None and (len(dims) > 1 or any(isinstance(side, int) and side > _LARGEST_SHAPE for side in dims)):
        return None
    value = view.constant(name)
    return None if value is None or value.size > _LARGEST_SHAPE else np.asarray(value)
