"""Writing ONNX graphs: fresh nodes and constants, renaming, putting an edited node list back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edge_segnet.core.errors import ModelError, first_line
from edge_segnet.graph.view import Wiring, all_nodes, opset, subgraphs

MIN_OPSET: Final = 11
"""The first with Pad, DepthToSpace and Clip as this package writes them."""
MIN_IR: Final = 4
"""The first in which an initializer need not be an input."""
_SHARED = 16
"""Elements of the largest constant that is worth sharing."""


def prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of opset 11 or later, without functions and without initializers among the inputs.

    Raises:
        ModelError: the opset is too old to be converted, or onnx is too old to inline functions.
    """
    model = newer(model, MIN_OPSET)
    if model.functions:
        try:
            from onnx import inliner  # needed for few models
        except ImportError:
            hint = "export it without functions, or install onnx 1.15 or later"
            raise ModelError(f"the model has {len(model.functions)} functions of its own", hint=hint) from None
        model = inliner.inline_local_functions(model)
    work = onnx.ModelProto()
    work.CopyFrom(model)
    weights = {tensor.name for tensor in work.graph.initializer}
    for index in reversed(range(len(work.graph.input))):
        if work.graph.input[index].name in weights:
            del work.graph.input[index]
    work.ir_version = max(work.ir_version, MIN_IR)
    return work


def is_prepared(model: onnx.ModelProto) -> bool:
    """Whether ``prepared`` would only copy it."""
    weights = {tensor.name for tensor in model.graph.initializer}
    plain = not model.functions and not any(value.name in weights for value in model.graph.input)
    return plain and opset(model) >= MIN_OPSET and model.ir_version >= MIN_IR


def newer(model: onnx.ModelProto, least: int) -> onnx.ModelProto:
    """The same model, in the words of opset ``least`` if its own is older; raises ModelError."""
    if opset(model) >= least:
        return model
    from onnx import version_converter  # needed for few models

    try:
        return version_converter.convert_version(model, least)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        what = f"the model uses opset {opset(model)}, and onnx can't bring it to {least} ({first_line(error)})"
        raise ModelError(what, hint=f"export it at opset {least} or later") from None


def rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Give a tensor of the main graph another name, wherever it is mentioned."""
    for node in all_nodes(graph):
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new
    for values in (graph.input, graph.output, graph.value_info):
        for value in values:
            if value.name == old:
                value.name = new
    for tensor in graph.initializer:
        if tensor.name == old:
            tensor.name = new


class Writer:
    """Collects nodes and initializers whose names no tensor of ``view`` has."""

    def __init__(self, view: Wiring) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._taken = {name for node in all_nodes(view.graph) for name in (*node.input, *node.output)}
        self._taken |= set(view.initializers) | view.output_names | {value.name for value in view.graph.input}
        # ONNX Runtime refuses two nodes of one name; exporters seldom name a node as its output, this package always.
        self._node_names = {node.name for node in all_nodes(view.graph) if node.name not in node.output}
        self._shared: dict[tuple[str, bytes], str] = {}

    def go_on(self, graph: onnx.GraphProto) -> None:
        """Start with the nodes that another rewriting of the same view has left."""
        self.nodes.extend(graph.node)
        self._taken.update(name for node in all_nodes(graph) for name in node.output)

    def fresh(self, name: str) -> str:
        """``name``, or the first of name_1, name_2, ... that is free."""
        candidate, count = name, 0
        while candidate in self._taken:
            count += 1
            candidate = f"{name}_{count}"
        self._taken.add(candidate)
        return candidate

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """An initializer; small ones with equal values are written once."""
        value = np.ascontiguousarray(value).reshape(value.shape)
        if value.size > _SHARED:
            self.initializers.append(numpy_helper.from_array(value, self.fresh(name)))
            return self.initializers[-1].name
        key = (f"{value.dtype}{value.shape}", value.tobytes())
        if key not in self._shared:
            self._shared[key] = self.fresh(name)
            self.initializers.append(numpy_helper.from_array(value, self._shared[key]))
        return self._shared[key]

    def integers(self, name: str, values: Sequence[int]) -> str:
        """An int64 vector."""
        return self.constant(name, np.array(values, np.int64))

    def node(self, operator: str, inputs: Sequence[str], name: str, *, exact: bool = False, **settings: Any) -> str:
        """A node with one output; ``exact`` takes ``name`` as it is (the name of a tensor that is being replaced)."""
        output = name if exact else self.fresh(name)
        node_name = f"{output}.{operator}" if output in self._node_names else output
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=node_name, **settings))
        return output


def install(graph: onnx.GraphProto, writer: Writer) -> None:
    """Replace a graph's nodes by the writer's; forget initializers that are no longer read, and all value_info."""
    del graph.node[:], graph.value_info[:]
    graph.node.extend(writer.nodes)
    drop_unread(graph)
    graph.initializer.extend(writer.initializers)


def drop_unread(graph: onnx.GraphProto) -> None:
    """Remove initializers that neither a node nor an output mentions."""
    read = {name for node in all_nodes(graph) for name in node.input} | {value.name for value in graph.output}
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in read:
            del graph.initializer[index]


def drop_unreached(graph: onnx.GraphProto) -> None:
    """Remove nodes that no output needs, then initializers that nobody reads."""
    needed = {value.name for value in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
            needed.update(name for body in subgraphs(node) for inner in all_nodes(body) for name in inner.input)
    kept.reverse()
    del graph.node[:]
    graph.node.extend(kept)
    drop_unread(graph)
