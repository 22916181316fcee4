"""A foreign ONNX model becomes canonical: ``frame`` uint8 [1,H,W,3] BGR -> ``logits`` float32 [1,C,H,W]."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.edit import Writer, drop_unreached, prepared, rename
from edge_segnet.graph.spec import ForeignSpec, InputSpec, OutputSpec, load_spec
from edge_segnet.graph.view import View, attributes, first_line, label, type_name

__all__ = ["ForeignSpec", "canonicalise", "load_spec"]

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE)


def canonicalise(model: onnx.ModelProto, spec: ForeignSpec, *, class_count: int | None = None) -> onnx.ModelProto:
    """Put the spec's preprocessing before a model and bring its output to full-size logits.

    The picture goes through Cast, channel swap (RGB models), transposition (NCHW models), division by 255 or scaling,
    ``- mean`` and ``/ std``, in this order and in float32. Logits of another layout are transposed; smaller ones are
    enlarged bilinearly (Resize "linear", "half_pixel": torch's ``align_corners=False``). Labels become one-hot logits
    (1 for the class, 0 for the others), whose argmax gives the labels back; a label that is no class gives class 0.

    Args:
        model: float32 input [1,3,H,W] or [1,H,W,3]; batch and size may be dynamic; it is not changed.
        spec: what the model does not say about itself.
        class_count: classes of ``spec.classes``; labels need it, logits are checked against it when it is given.

    Raises:
        ModelError: the model's inputs or outputs are not what the spec says, or its shapes can't be derived.
    """
    work = prepared(model)
    for taken in ("frame", "logits"):
        rename(work.graph, taken, f"{taken}.model")
    source = _choose_input(work, spec.input)
    output = _choose_output(work, spec.output)
    size = _fix_input(work, source, spec)
    _restore_indices(work)
    view = _freeze_unpooling(work)
    write = Writer(view)
    _preprocess(write, source, spec.input)
    first = list(write.nodes)
    finished, channels = _Finish(write, view, size).logits(output, spec.output, class_count)
    last = write.nodes[len(first) :]
    _assemble(work.graph, [*first, *work.graph.node, *last], write.initializers)
    rename(work.graph, finished, "logits")
    height, width = size
    _set_interface(work, [1, height, width, 3], [1, channels, height, width])
    return work


def _choose_input(model: onnx.ModelProto, spec: InputSpec) -> str:
    """The picture's input; every other one must go, because nothing would feed it."""
    names = [value.name for value in model.graph.input]
    wanted = f"{spec.name}.model" if spec.name in ("frame", "logits") else spec.name
    if len(names) != 1 or (wanted is not None and wanted != names[0]):
        asked = f", the spec asks for '{spec.name}'" if spec.name else ""
        raise ModelError(f"the model has inputs {names}{asked}", hint="exactly one input, the picture, is understood")
    return str(names[0])


def _choose_output(model: onnx.ModelProto, spec: OutputSpec) -> str:
    names = [value.name for value in model.graph.output]
    wanted = f"{spec.name}.model" if spec.name in ("frame", "logits") else spec.name
    if wanted is None and len(names) == 1:
        wanted = names[0]
    if wanted is None or wanted not in names or wanted in {value.name for value in model.graph.input}:
        asked = f", not '{spec.name}'" if spec.name else ""
        raise ModelError(f"the model has outputs {names}{asked}", hint="say which one with output: {name: ...}")
    return wanted


def _fix_input(model: onnx.ModelProto, name: str, spec: ForeignSpec) -> tuple[int, int]:
    """Make the input's shape static; returns (height, width)."""
    value = model.graph.input[0]
    kind = value.type.tensor_type
    if kind.elem_type != TensorProto.FLOAT:
        found = type_name(kind.elem_type)
        raise ModelError(f"input '{name}' is {found}, not float32", hint="export the model with a float32 picture")
    given = [dim.dim_value for dim in kind.shape.dim] if kind.HasField("shape") else [0, 0, 0, 0]
    rows, columns, colours = (2, 3, 1) if spec.input.layout == "nchw" else (1, 2, 3)
    if len(given) != 4 or given[0] not in (0, 1) or given[colours] not in (0, 3):
        raise ModelError(f"input '{name}' is {given}, not one {spec.input.layout} picture of 3 channels")
    width, height = spec.size or (given[columns], given[rows])
    if not width or not height:
        raise ModelError(f"input '{name}' has a dynamic size", hint="add to the spec, for example, size: 480x360")
    if given[rows] not in (0, height) or given[columns] not in (0, width):
        raise ModelError(
            f"input '{name}' is {given[columns]}x{given[rows]}, the spec says {width}x{height}",
            hint="leave size out of the spec, or export the model at that size",
        )
    shape = [1, 3, height, width] if spec.input.layout == "nchw" else [1, height, width, 3]
    value.CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    del model.graph.value_info[:]
    for result in model.graph.output:
        result.type.tensor_type.ClearField("shape")
    return height, width


def _restore_indices(model: onnx.ModelProto) -> None:
    """Let MaxUnpool read MaxPool's own Indices where torch's exporter made them count per channel.

    Its ``max_pool2d_with_indices`` subtracts the first index of every channel (taken from a 1x1 MaxPool), as torch
    counts. ONNX's MaxUnpool counts through all channels, so such a graph would put everything into the first one.
    Source: torch/onnx/_internal/torchscript_exporter/symbolic_opset10.py, ``_max_pool``.
    """
    producer = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        per_channel = producer.get(node.input[1]) if node.op_type == "MaxUnpool" else None
        if per_channel is None or per_channel.op_type != "Sub":
            continue
        pool, first = (producer.get(name) for name in per_channel.input)
        if first is None or first.op_type != "Slice" or pool is None or pool.op_type != "MaxPool":
            continue
        places = producer.get(first.input[0])
        if places is None or places.op_type != "MaxPool" or places.input[0] != pool.input[0]:
            continue
        indices = [list(pool.output).index(per_channel.input[0]), list(places.output).index(first.input[0])]
        if indices == [1, 1] and attributes(places).get("kernel_shape") == [1, 1]:
            node.input[1] = per_channel.input[0]
    drop_unreached(model.graph)


def _freeze_unpooling(model: onnx.ModelProto) -> View:
    """Turn output_shapes that the exporter left to be computed into constants, first those that others wait for."""
    while True:
        view = View(model)
        waiting = [
            node
            for node in model.graph.node
            if node.op_type == "MaxUnpool" and len(node.input) > 2 and node.input[2] not in view.initializers
        ]
        if not waiting:
            return view
        write = Writer(view)
        for node in waiting:
            shape = view.constant(node.input[2])
            if shape is not None:
                name = write.fresh(f"{node.output[0]}.shape")
                node.input[2] = name
                model.graph.initializer.append(numpy_helper.from_array(np.array(shape, np.int64), name))
        if all(node.input[2] not in {tensor.name for tensor in model.graph.initializer} for node in waiting):
            raise ModelError(f"the output_shape of {label(waiting[0])} depends on the picture")


def _preprocess(write: Writer, name: str, spec: InputSpec) -> None:
    """Nodes from ``frame`` to the tensor ``name`` that the network reads."""
    planes = (1, 3, 1, 1) if spec.layout == "nchw" else (1, 1, 1, 3)
    value = write.node("Cast", ["frame"], "input.float", to=TensorProto.FLOAT)
    if spec.channels == "rgb":
        swap = write.integers("input.rgb", (2, 1, 0))
        value = write.node("Gather", [value, swap], "input.swapped", axis=3)
    if spec.layout == "nchw":
        value = write.node("Transpose", [value], "input.planes", perm=[0, 3, 1, 2])
    if spec.range == 1:
        value = write.node("Div", [value, write.constant("input.range", np.array(255, np.float32))], "input.unit")
    elif spec.scale is not None and spec.scale != 1:
        scale = write.constant("input.scale", np.array(spec.scale, np.float32))
        value = write.node("Mul", [value, scale], "input.scaled")
    if any(spec.mean):
        mean = write.constant("input.mean", np.array(spec.mean, np.float32).reshape(planes))
        value = write.node("Sub", [value, mean], "input.centred")
    if any(std != 1 for std in spec.std):
        std = write.constant("input.std", np.array(spec.std, np.float32).reshape(planes))
        value = write.node("Div", [value, std], "input.normalised")
    write.nodes[-1].output[0] = write.nodes[-1].name = name


class _Finish:
    """Writes the nodes from a model's output to logits [1,C,H,W] float32."""

    def __init__(self, write: Writer, view: View, size: tuple[int, int]) -> None:
        self._write, self._view, self._size = write, view, size

    def logits(self, name: str, spec: OutputSpec, class_count: int | None) -> tuple[str, int]:
        """Name and channels of the logits."""
        shape, elem_type = self._view.shape(name), self._view.elem_type(name)
        found = f"output '{name.removesuffix('.model')}' is {type_name(elem_type)} {list(shape)}"
        if spec.layout == "nhwc" and len(shape) == 4:
            shape = (shape[0], shape[3], shape[1], shape[2])
            name = self._write.node("Transpose", [name], "output.planes", perm=[0, 3, 1, 2])
        if spec.kind == "labels":
            return self._one_hot(name, shape, class_count, found)
        if len(shape) != 4 or shape[0] != 1 or elem_type not in _FLOATS:
            raise ModelError(f"{found}, not float scores per class", hint="check kind and layout of the spec's output")
        if class_count not in (None, shape[1]):
            raise ModelError(f"{found}: {shape[1]} channels, but the class map has {class_count} classes")
        if elem_type != TensorProto.FLOAT:
            name = self._write.node("Cast", [name], "output.float", to=TensorProto.FLOAT)
        return self._enlarged(name, shape, found), shape[1]

    def _one_hot(self, name: str, shape: tuple[int, ...], classes: int | None, found: str) -> tuple[str, int]:
        if shape not in ((1, *self._size), (1, 1, *self._size)):
            wanted = f"[1,{self._size[0]},{self._size[1]}]"
            raise ModelError(f"{found}, not labels {wanted}", hint="check kind and layout of the spec's output")
        if classes is None:
            raise ModelError(f"{found}: labels don't say how many classes there are", hint="give the class map")
        ids = self._write.constant("output.classes", np.arange(classes, dtype=np.float32).reshape(1, classes, 1, 1))
        # As floats: every runtime compares those, and whole numbers below 2^24 stay exact.
        value = self._write.node("Cast", [name], "output.labels", to=TensorProto.FLOAT)
        mask = self._write.node("Equal", [value, ids], "output.hits")
        return self._write.node("Cast", [mask], "output.onehot", to=TensorProto.FLOAT), classes

    def _enlarged(self, name: str, shape: tuple[int, ...], found: str) -> str:
        if shape[2:] == self._size:
            return name
        if shape[2] > self._size[0] or shape[3] > self._size[1]:
            raise ModelError(f"{found}: larger than the picture, {self._size[1]}x{self._size[0]}")
        empty = ""
        if self._view.opset < 13:
            empty = self._write.constant("output.unused", np.zeros(0, np.float32))
        sizes = self._write.integers("output.sizes", (*shape[:2], *self._size))
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        inputs = [name, empty, empty, sizes]
        return self._write.node("Resize", inputs, "output.enlarged", exact=False, **how)


def _assemble(graph: onnx.GraphProto, nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto]) -> None:
    copies = []
    for node in nodes:
        copies.append(onnx.NodeProto())
        copies[-1].CopyFrom(node)
    del graph.node[:]
    graph.node.extend(copies)
    graph.initializer.extend(initializers)


def _set_interface(model: onnx.ModelProto, frame: list[int], logits: list[int]) -> None:
    """Declare the canonical input and output, drop what no longer matters, and check everything."""
    graph = model.graph
    del graph.input[:], graph.output[:]
    graph.input.append(helper.make_tensor_value_info("frame", TensorProto.UINT8, frame))
    graph.output.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, logits))
    drop_unreached(graph)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise ModelError(f"the canonical graph is not valid ONNX: {first_line(error)}") from None
    View(model)
