"""Canonical (or any other) ONNX graph -> the form that one runtime executes, with the same results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import onnx

from edge_segnet.core.errors import ModelError, first_line
from edge_segnet.graph.batch import batched
from edge_segnet.graph.border import model_border
from edge_segnet.graph.edit import drop_unread, is_prepared, prepared
from edge_segnet.graph.head import Decode, Head, append_decode, append_labels
from edge_segnet.graph.precision import HalfCounts, to_half
from edge_segnet.graph.quantise import is_quantised, quantised_layers
from edge_segnet.graph.resize import resize
from edge_segnet.graph.scatter import fold_foreign, has_scatter
from edge_segnet.graph.unpool import rewrite
from edge_segnet.graph.view import View, Wiring, infer
from edge_segnet.graph.whole import whole_numbers

Target = Literal["onnxruntime", "tensorrt", "openvino", "opencv"]
Precision = Literal["fp32", "fp16", "int8"]
_CHECKS_ITSELF: Final = ("onnxruntime", "openvino")
"""Runtimes that check a graph and infer its shapes when they read it, in the same process."""


@dataclass(frozen=True, eq=False)
class Lowered:
    """A graph for one target, and what was done to it: ``report`` for people, ``counts`` for programs."""

    model: onnx.ModelProto
    target: Target
    report: tuple[str, ...]
    counts: Mapping[str, int]


@model_border
def lower(
    model: onnx.ModelProto,
    target: Target,
    *,
    precision: Precision = "fp32",
    head: Head = "logits",
    decode: Decode | None = None,
    size: tuple[int, int] | None = None,
    batch: int = 1,
    view: View | None = None,
) -> Lowered:
    """Write ``model`` for ``target``.

    Args:
        model: canonical, or any ONNX model of opset 11 or later with static shapes; it is not changed.
        target: "onnxruntime" keeps MaxPool Indices and MaxUnpool and pads where ceil mode meets an odd map; the other
            three get operators that their parsers read (see ``unpool``).
        precision: "fp16" makes weights, maps and float outputs float16 (see ``precision``); "int8" does that with what
            a quantised model has left in float32. "fp32" leaves a model as it is, a quantised one as well.
        head: "labels" replaces the logits [1,C,H,W] by an output ``labels`` uint8 [1,H,W]: their argmax over C, the
            first class winning a tie. "decode" puts ``head.DECODED`` there: labels, margins, and two sums.
        decode: what that head must know; by default no temperature, and void behind the last class.
        size: (width, height) that a canonical model is re-derived for first (see ``resize``).
        batch: frames at once, at most; above 1 "tensorrt" gets a first dimension that is named ``batch.NAME``, and the
            others a graph for just so many.
        view: of ``model``, where it was checked and its shapes inferred a moment ago: for "onnxruntime" and "openvino",
            which do both themselves, neither is then done again.

    Returns:
        The checked model; names of inputs and outputs and the metadata are those of ``model`` (but for ``labels``).

    Raises:
        ModelError: dynamic shapes, a pooling that can't be rewritten exactly, a graph that is not valid, "int8" for a
            model that is not quantised, or "fp16" for one that is.
    """
    _check_precision(model, precision)
    known = view is not None and is_prepared(model) and not has_scatter(model)
    view, lines = _begun(model, view if known else None, size)
    _check_static(view.model)
    work, pooling = rewrite(view.model, "native" if target == "onnxruntime" else "operators", view)
    counts = {"pools": pooling.pools, "unpools": pooling.unpools, "padded": pooling.padded}
    lines += _describe_pooling(target, counts)
    work, done, more = _finish(work, view, target, precision, head, decode)
    lines, counts = lines + done, counts | more
    if batch > 1:
        work = batched(work, None if target == "tensorrt" else batch)
        lines.append("as many frames at once as there are" if target == "tensorrt" else f"{batch} frames at once")
    if not known or target not in _CHECKS_ITSELF:
        _check(work)
    return Lowered(work, target, tuple(lines), counts)


def _finish(
    work: onnx.ModelProto, view: View, target: Target, precision: Precision, head: Head, decode: Decode | None
) -> tuple[onnx.ModelProto, list[str], dict[str, int]]:
    """Head and precision: the graph, what was done to it, and its counts. ``view`` knows the shape of the logits."""
    lines, counts = [], {}
    if head == "labels":
        append_labels(work, view)
        lines.append("argmax over the classes appended: output 'labels' uint8")
    if precision != "fp32":
        work, half = to_half(work)
        counts = {"fp16_constants": half.constants, "fp16_values": half.values, "fp16_saturated": half.saturated}
        lines += _describe_half(half)
    if whole := quantised_layers(work):
        counts["int8_layers"] = len(whole)
        lines.append(f"{len(whole)} convolutions in int8")
        if target == "onnxruntime" and precision == "fp32":
            work = whole_numbers(work)
    if head == "decode":
        append_decode(work, view, decode or Decode(), max_keeps_nan=target == "onnxruntime")
        lines.append("decode appended: outputs 'labels' and 'margins' uint8, 'winning' and 'broken'")
    drop_unread(work.graph)
    return work, lines, counts


def _begun(model: onnx.ModelProto, view: View | None, size: tuple[int, int] | None) -> tuple[View, list[str]]:
    """What can be rewritten, at the size that is asked for, and what was done for it; ``view``: of ``model``, if it
    needs no preparing.
    """
    lines = []
    if view is None:
        model = prepared(model)
        if folded := fold_foreign(model):
            lines.append(f"{folded} unpoolings written as scattering were recognised")
    if size is not None:
        lines.append(f"shapes re-derived for {size[0]}x{size[1]}")
        return resize(view or Wiring(model), size), lines
    return view or View(model), lines


def _describe_half(half: HalfCounts) -> list[str]:
    lines = [f"{half.constants} constants ({half.values} values) in float16, {half.casts} casts"]
    if half.islands:
        kept = ", ".join(f"{count} {kind}" for kind, count in sorted(half.islands.items()))
        lines.append(f"kept in float32: {kept}")
    return lines


def _describe_pooling(target: Target, counts: Mapping[str, int]) -> list[str]:
    pools, unpools, padded = (counts[key] for key in ("pools", "unpools", "padded"))
    if not pools:
        return ["no index pooling found: nothing to rewrite"]
    what = f"{pools} index poolings and {unpools} unpoolings"
    how = "kept as they are" if target == "onnxruntime" else "written as slices, comparisons and selections"
    return [f"{what} {how}", *([f"{padded} odd maps padded, and cut after unpooling"] if padded else [])]


def _check_precision(model: onnx.ModelProto, precision: Precision) -> None:
    if precision == "int8" and not is_quantised(model):
        raise ModelError("the model is not quantised, so there is no INT8 in it", hint="first: edge-segnet quantize")
    if precision == "fp16" and is_quantised(model):
        raise ModelError("the model is quantised: all of it in FP16 would be another one", hint="take precision int8")


def _check_static(model: onnx.ModelProto) -> None:
    for value in model.graph.input:
        dims: list[Any] = [dim.dim_value or dim.dim_param or "?" for dim in value.type.tensor_type.shape.dim]
        if not all(isinstance(dim, int) for dim in dims):
            batch = bool(dims) and not isinstance(dims[0], int)
            raise ModelError(
                f"input '{value.name}' has {'a dynamic batch' if batch else 'dynamic dimensions'}: {dims}",
                hint="export the model with batch 1 and a fixed size",
            )


def _check(model: onnx.ModelProto) -> None:
    """Check everything, and write the inferred shapes of all maps into the model.

    Raises:
        ModelError: the result is not valid ONNX.
    """
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise ModelError(f"the rewritten graph is not valid ONNX: {first_line(error)}") from None
    shapes = infer(model)
    weights = {tensor.name for tensor in model.graph.initializer}
    del model.graph.value_info[:]
    model.graph.value_info.extend(value for value in shapes.value_info if value.name not in weights)
