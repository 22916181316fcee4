"""A foreign ONNX model becomes canonical: ``frame`` uint8 [1,H,W,3] BGR -> ``logits`` float32 [1,C,H,W]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from edge_segnet.core.errors import ModelError, first_line
from edge_segnet.graph.border import model_border
from edge_segnet.graph.edit import Writer, drop_unreached, prepared, rename
from edge_segnet.graph.finish import Finish, Wanted
from edge_segnet.graph.scatter import fold_scatter, settle_shapes
from edge_segnet.graph.spec import ForeignSpec, InputSpec, Layout, OutputSpec, load_spec
from edge_segnet.graph.view import View, label, type_name

__all__ = ["ForeignSpec", "canonicalise", "load_spec"]

_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)
_TYPES = (*_FLOATS, TensorProto.UINT8, TensorProto.INT32, TensorProto.INT64)


@model_border
def canonicalise(model: onnx.ModelProto, spec: ForeignSpec, *, class_count: int | None = None) -> onnx.ModelProto:
    """Put the spec's preprocessing before a model and bring its output to full-size logits.

    The picture goes through Cast, channel swap (RGB models), transposition (NCHW models), division by 255 or scaling,
    ``- mean`` and ``/ std``, in this order and in float32. Logits of another layout are transposed; smaller ones are
    enlarged bilinearly (Resize "linear", "half_pixel": torch's ``align_corners=False``). Labels become one-hot logits
    (1 for the class, 0 for the others), whose argmax gives the labels back; a label that is no class gives class 0.
    See ``finish`` for probabilities, one channel and void.

    Args:
        model: one picture of floats or bytes, [1,3,H,W] or [1,H,W,3], with or without the 1; batch and size may be
            dynamic; it is not changed.
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
    picture = _fix_input(work, source, spec)
    settle_shapes(work)
    fold_scatter(work)
    view = View(work)
    _check_unpooling(view)
    write = Writer(view)
    _preprocess(write, picture, spec.input)
    first = list(write.nodes)
    finished, channels = Finish(write, view, Wanted(class_count, picture.size, spec.void)).logits(output, spec.output)
    last = write.nodes[len(first) :]
    _assemble(work.graph, [*first, *work.graph.node, *last], write.initializers)
    rename(work.graph, finished, "logits")
    height, width = picture.size
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


@dataclass(frozen=True)
class _Picture:
    """The network's input: ``shape`` is [1,3,H,W] or [1,H,W,3] without the 1 where the model has none."""

    name: str
    elem_type: int
    shape: tuple[int, ...]
    layout: Layout

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)"""
        rows, columns = (-2, -1) if self.layout == "nchw" else (-3, -2)
        return self.shape[rows], self.shape[columns]


def _fix_input(model: onnx.ModelProto, name: str, spec: ForeignSpec) -> _Picture:
    """Make the input's shape static and say what it is."""
    value = model.graph.input[0]
    kind = value.type.tensor_type
    if kind.elem_type not in _TYPES:
        raise ModelError(
            f"input '{name}' is {type_name(kind.elem_type)}, which is no picture",
            hint=f"known are {', '.join(type_name(known) for known in _TYPES)}: export the model with one of them",
        )
    _check_bytes(name, kind.elem_type, spec.input)
    given = [dim.dim_value for dim in kind.shape.dim] if kind.HasField("shape") else [0, 0, 0, 0]
    batch, sides = given[:-3], given[-3:]
    layout = spec.input.layout or ("nhwc" if len(sides) == 3 and sides[2] == 3 and sides[0] != 3 else "nchw")
    rows, columns, colours = (1, 2, 0) if layout == "nchw" else (0, 1, 2)
    if len(sides) != 3 or batch not in ([], [0], [1]) or sides[colours] not in (0, 3):
        raise ModelError(f"input '{name}' is {given}, not one {layout} picture of 3 channels")
    width, height = spec.size or (sides[columns], sides[rows])
    if not width or not height:
        raise ModelError(f"input '{name}' has a dynamic size", hint="add to the spec, for example, size: 480x360")
    if sides[rows] not in (0, height) or sides[columns] not in (0, width):
        raise ModelError(
            f"input '{name}' is {sides[columns]}x{sides[rows]}, the spec says {width}x{height}",
            hint="leave size out of the spec, or export the model at that size",
        )
    shape = [*([1] if batch else []), *([3, height, width] if layout == "nchw" else [height, width, 3])]
    value.CopyFrom(helper.make_tensor_value_info(name, kind.elem_type, shape))
    del model.graph.value_info[:]
    for result in model.graph.output:
        result.type.tensor_type.ClearField("shape")
    return _Picture(name, kind.elem_type, tuple(shape), layout)


def _check_bytes(name: str, elem_type: int, spec: InputSpec) -> None:
    """Whole numbers hold 0..255 and nothing finer: a spec that scales them means another input."""
    plain = not any(spec.mean) and set(spec.std) == {1.0} and (spec.range == 255 or spec.scale == 1)
    if elem_type not in _FLOATS and not plain:
        raise ModelError(
            f"input '{name}' is {type_name(elem_type)}: it takes the picture's own 0..255",
            hint="write range: 255 without mean and std; such a network normalises by itself",
        )


def _check_unpooling(view: View) -> None:
    for node in view.graph.node:
        if node.op_type == "MaxUnpool" and len(node.input) > 2 and view.constant(node.input[2]) is None:
            raise ModelError(f"the output_shape of {label(node)} depends on the picture")


def _preprocess(write: Writer, picture: _Picture, spec: InputSpec) -> None:
    """Nodes from ``frame`` to the tensor that the network reads."""
    planes = (1, 3, 1, 1) if picture.layout == "nchw" else (1, 1, 1, 3)
    value = write.node("Cast", ["frame"], "input.float", to=TensorProto.FLOAT)
    if spec.channels == "rgb":
        swap = write.integers("input.rgb", (2, 1, 0))
        value = write.node("Gather", [value, swap], "input.swapped", axis=3)
    if picture.layout == "nchw":
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
    if picture.elem_type != TensorProto.FLOAT:
        value = write.node("Cast", [value], "input.typed", to=picture.elem_type)
    if len(picture.shape) == 3:
        write.node("Reshape", [value, write.integers("input.shape", picture.shape)], "input.alone")
    write.nodes[-1].output[0] = write.nodes[-1].name = picture.name


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
