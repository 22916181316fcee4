"""Reading and writing ONNX graphs: shapes, types, constants, consumers on one side; fresh nodes on the other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edge_segnet.core.errors import ModelError, first_line
from edge_segnet.graph.bounds import GROWING, MAX_COMPUTED, fits, require_bounded

Array = NDArray[Any]
_SMALL = 1024
"""Elements of the largest constant that shape inference could want to read."""
# fmt: off
_FOLDABLE = frozenset((
    "Add", "Cast", "Ceil", "Concat", "Constant", "ConstantOfShape", "Div", "Equal", "Expand", "Floor", "Gather",
    "Identity", "Mul", "Range", "Reshape", "Shape", "Size", "Slice", "Squeeze", "Sub", "Transpose", "Unsqueeze",
    "Where",
))
# fmt: on
"""Operators that exporters compute shapes with."""


def label(node: onnx.NodeProto) -> str:
    """How an error names a node: its operator and its name, or its first output where it has none."""
    return f"{node.op_type} '{node.name or next(iter(node.output), '?')}'"


def type_name(elem_type: int) -> str:
    """Name of a data type, as FLOAT."""
    known = onnx.TensorProto.DataType.items()
    return next((name for name, value in known if value == elem_type), f"type {elem_type}")


def opset(model: onnx.ModelProto) -> int:
    """Version of the default operator set; 0 when the model names none."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Attributes as Python values; strings are decoded."""
    values = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


def subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    """Bodies of a control-flow node."""
    for entry in node.attribute:
        if entry.type == onnx.AttributeProto.GRAPH:
            yield entry.g
        yield from entry.graphs


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Every node of a graph and of the graphs inside its nodes."""
    for node in graph.node:
        yield node
        for body in subgraphs(node):
            yield from all_nodes(body)


def infer(model: onnx.ModelProto, unpooled: Mapping[str, str] | None = None) -> onnx.GraphProto:
    """Shape-inferred graph without its large weights (they would be copied twice for nothing).

    ONNX's own inference knows nothing of MaxUnpool's ``output_shape``, so constant ones are told to it. ``unpooled``:
    where none is known yet, what an unpooling gives and the map that was pooled, whose type and shape it has.

    Raises:
        ModelError: the graph contradicts itself, or an operator is unknown.
    """
    bare = onnx.ModelProto(ir_version=model.ir_version)
    bare.opset_import.extend(model.opset_import)
    bare.functions.extend(model.functions)
    graph = bare.graph
    graph.name = model.graph.name or "graph"
    for ours, theirs in ((graph.input, model.graph.input), (graph.output, model.graph.output)):
        ours.extend(theirs)
    graph.node.extend(model.graph.node)
    graph.value_info.extend(model.graph.value_info)
    declared = {value.name for value in graph.input}
    constants: dict[str, onnx.TensorProto] = {}
    for tensor in model.graph.initializer:
        if int(np.prod(tensor.dims)) <= _SMALL:
            graph.initializer.append(tensor)
            constants[tensor.name] = tensor
        elif tensor.name not in declared:
            graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    for node in graph.node:
        if unpooled and node.output and node.output[0] in unpooled:
            node.CopyFrom(helper.make_node("Identity", [unpooled[node.output[0]]], node.output[:1]))
    _tell_unpooled_shapes(graph, constants)
    try:
        return onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise ModelError(f"the graph is inconsistent: {first_line(error)}", hint="export the model again") from None


def _tell_unpooled_shapes(graph: onnx.GraphProto, constants: dict[str, onnx.TensorProto]) -> None:
    known = {value.name: value for value in (*graph.value_info, *graph.output)}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = node.attribute[0].t
        if node.op_type != "MaxUnpool" or len(node.input) < 3 or node.input[2] not in constants:
            continue
        shape = numpy_helper.to_array(constants[node.input[2]]).tolist()
        told = helper.make_tensor_value_info(node.output[0], onnx.TensorProto.UNDEFINED, shape)
        if told.name not in known:
            graph.value_info.append(told)
        elif not known[told.name].type.tensor_type.HasField("shape"):
            known[told.name].type.tensor_type.shape.CopyFrom(told.type.tensor_type.shape)


class Wiring:
    """Index of a model's main graph as it is written, without shape inference; valid until the graph is edited."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.graph = model.graph
        self.opset = opset(model)
        self.producer = {name: node for node in self.graph.node for name in node.output if name}
        self.consumers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.graph.node:
            inner = [name for body in subgraphs(node) for child in all_nodes(body) for name in child.input]
            for name in dict.fromkeys([*node.input, *inner]):
                self.consumers[name].append(node)
        self.initializers = {tensor.name: tensor for tensor in self.graph.initializer}
        self.inputs = [value for value in self.graph.input if value.name not in self.initializers]
        self.output_names = {value.name for value in self.graph.output}
        self._types = {value.name: value.type for value in (*self.graph.input, *self.graph.output)}
        """Of the tensors whose shapes are known."""
        self._values: dict[str, Array | None] = {}

    def elem_type(self, name: str) -> int:
        """``onnx.TensorProto`` data type of a tensor; UNDEFINED when nobody knows."""
        if name in self.initializers:
            return int(self.initializers[name].data_type)
        if name not in self._types:
            return int(onnx.TensorProto.UNDEFINED)
        return int(self._types[name].tensor_type.elem_type)

    def dims(self, name: str) -> list[int | str] | None:
        """Dimensions, dynamic ones as a name or "?"; None when the rank is unknown."""
        if name in self.initializers:
            return list(self.initializers[name].dims)
        if name not in self._types or not self._types[name].tensor_type.HasField("shape"):
            return None
        dims = self._types[name].tensor_type.shape.dim
        return [dim.dim_value if dim.HasField("dim_value") else dim.dim_param or "?" for dim in dims]

    def shape(self, name: str) -> tuple[int, ...]:
        """Static shape.

        Raises:
            ModelError: the shape is unknown or has a dynamic dimension.
        """
        dims = self.dims(name)
        if dims is None:
            raise ModelError(f"the shape of tensor '{name}' is unknown", hint="export the model with static shapes")
        static = tuple(dim for dim in dims if isinstance(dim, int))
        if len(static) != len(dims):
            raise ModelError(f"tensor '{name}' has dynamic shape {dims}", hint="export the model with static shapes")
        return static

    def constant(self, name: str) -> Array | None:
        """Value of a tensor that no input influences (shape arithmetic included); None for all others."""
        if name not in self._values:
            self._values[name] = None
            self._values[name] = self._evaluate(name)
        return self._values[name]

    def _evaluate(self, name: str) -> Array | None:
        if name in self.initializers:
            return numpy_helper.to_array(self.initializers[name])
        node = self.producer.get(name)
        if node is None or node.op_type not in _FOLDABLE or len(node.output) != 1:
            return None
        if node.op_type in ("Shape", "Size"):
            dims = self.dims(node.input[0])
            if dims is None or not all(isinstance(dim, int) for dim in dims):
                return None
            # Zero strides: the evaluator reads the shape only, so no memory is spent on the map.
            feeds: dict[str, Array] = {node.input[0]: np.broadcast_to(np.float32(0), [int(dim) for dim in dims])}
        else:
            feeds = {}
            for source in filter(None, node.input):
                value = self.constant(source)
                if value is None:
                    return None
                feeds[source] = value
        return _run(node, feeds, self.opset) if fits(node, feeds) else None


class View(Wiring):
    """A wiring that knows the types and shapes of all tensors.

    Raises:
        ModelError: shape inference failed, or a constant is computed that is larger than a model could store.
    """

    def __init__(self, model: onnx.ModelProto, inferred: onnx.GraphProto | None = None) -> None:
        """``inferred``: what ``infer`` gave for a graph of these shapes, if somebody has asked it."""
        super().__init__(model)
        inferred = infer(model) if inferred is None else inferred
        self._types = {v.name: v.type for v in (*inferred.input, *inferred.output, *inferred.value_info)}
        self._check_computed()

    @property
    def shapes(self) -> onnx.GraphProto:
        """What ``inferred`` needs of a graph of these shapes: no nodes, no weights."""
        found = onnx.GraphProto()
        found.value_info.extend(onnx.ValueInfoProto(name=name, type=kind) for name, kind in self._types.items())
        return found

    def _check_computed(self) -> None:
        """Nodes that no input influences must not compute more than a model could store."""
        constant = set(self.initializers)
        for node in self.graph.node:
            if any(name and name not in constant for name in node.input) or any(subgraphs(node)):
                continue
            constant.update(node.output)
            for name in node.output:
                require_bounded(node, self.dims(name))
            if node.op_type in GROWING:  # whose shape is a value, which shape inference may not follow
                feeds = {name: value for name in node.input if name and (value := self.constant(name)) is not None}
                require_bounded(node, [MAX_COMPUTED + 1] if not fits(node, feeds) else [])


def _run(node: onnx.NodeProto, feeds: dict[str, Array], version: int) -> Array | None:
    from onnx.reference import ReferenceEvaluator  # slow to import and seldom needed

    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), list(value.shape))
        for name, value in feeds.items()
    ]
    output = onnx.ValueInfoProto(name=node.output[0])
    graph = helper.make_graph([node], "constant", inputs, [output])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)])
    (result,) = ReferenceEvaluator(model).run(None, feeds)
    return np.asarray(result)
