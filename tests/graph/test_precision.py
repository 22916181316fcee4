"""FP32 -> FP16 in the graph: what narrows, what stays wide, and that overflow stays away."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.lower import Target, lower
from edge_segnet.graph.precision import to_half
from edge_segnet.graph.view import View
from tests.graph.runtimes import RUNNERS, Array, run_onnxruntime
from tests.support.nets import Sketch, random_frame, random_model, tensor


def input_types(model: onnx.ModelProto, operator: str) -> set[int]:
    """Types of everything that nodes of one kind read, first inputs only."""
    view = View(model)
    return {view.elem_type(node.input[0]) for node in model.graph.node if node.op_type == operator}


@pytest.mark.parametrize("name", ["segnet", "segnet-basic", "segnet-lite"])
@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt"])
def test_weights_maps_and_logits_are_half_and_labels_agree(name: str, target: Target) -> None:
    size = (64, 45)
    model, frame = random_model(name, size), random_frame(size)
    lowered = lower(model, target, precision="fp16").model
    wide = {weight.name for weight in lowered.graph.initializer if weight.data_type == TensorProto.FLOAT}
    assert wide <= {"input.mean", "input.scale"}
    assert lowered.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT16
    assert lowered.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
    assert input_types(lowered, "Conv") == {TensorProto.FLOAT16}
    half = run_onnxruntime(lowered, frame)
    full = run_onnxruntime(lower(model, target).model, frame)
    assert half.dtype == np.float16
    # Random weights: rounding turns pooling indices, and nothing trained forgives it.
    assert (half.argmax(1) == full.argmax(1)).mean() > 0.95


@pytest.mark.parametrize("target", ["openvino", "opencv"])
def test_half_graphs_run_in_the_other_runtimes(target: Target) -> None:
    model, frame = random_model("segnet-lite", (64, 45)), random_frame((64, 45))
    full = run_onnxruntime(lower(model, "onnxruntime").model, frame)
    half = RUNNERS[target](lower(model, target, precision="fp16").model, frame)
    assert (half.argmax(1) == full.argmax(1)).mean() > 0.95


def test_a_white_picture_does_not_overflow_the_response_norm() -> None:
    model = random_model("segnet-basic", (64, 48))
    white = np.full((1, 48, 64, 3), 255, np.uint8)
    assert float(np.finfo(np.float16).max) < 3 * 255**2
    lowered = lower(model, "tensorrt", precision="fp16").model
    assert input_types(lowered, "LRN") == {TensorProto.FLOAT}
    half = run_onnxruntime(lowered, white)
    full = run_onnxruntime(lower(model, "tensorrt").model, white)
    assert np.isfinite(half).all()
    assert (half.argmax(1) == full.argmax(1)).mean() > 0.98


def test_preprocessing_and_norm_are_islands_with_casts_at_their_shores() -> None:
    lowered = lower(random_model("segnet-lite", (64, 48)), "tensorrt", precision="fp16").model
    for operator in ("Transpose", "Sub", "Mul", "GlobalAveragePool"):
        assert input_types(lowered, operator) == {TensorProto.FLOAT}
    casts = [node for node in lowered.graph.node if node.op_type == "Cast"]
    assert len(casts) == 4  # frame -> float, image -> half, and to and from the mean of the scene
    report = lower(random_model("segnet-basic", (64, 48)), "tensorrt", precision="fp16").report
    assert report[-1] == "kept in float32: 1 LRN"


def half_of(net: Sketch, shape: list[int], *outputs: Any) -> onnx.ModelProto:
    model, _ = to_half(net.model(tensor("x", shape), *outputs))
    onnx.checker.check_model(model, full_check=True)
    return model


def test_typed_operands_follow_their_node_and_scales_stay_float32() -> None:
    net = Sketch()
    net.conv("x", "c", (3, 4))
    net.node("Clip", ["c", net.const("low", np.float32(0)), net.const("high", np.float32(6))], "clip")
    pads = net.const("pads", np.array([0, 0, 0, 0, 0, 0, 1, 1], np.int64))
    net.node("Pad", ["clip", pads, net.const("lowest", np.float32(np.finfo(np.float32).min))], "pad")
    net.node("Resize", ["pad", "", net.const("scales", np.array([1, 1, 2, 2], np.float32))], "big", mode="nearest")
    net.node("Greater", ["big", net.const("zero", np.float32(0))], "mask")
    net.node("Where", ["mask", "big", "zero"], "kept")
    net.node("Cast", ["mask"], "ones", to=TensorProto.FLOAT)
    net.node("Mul", ["ones", "kept"], "y")
    half = half_of(net, [1, 3, 5, 5], tensor("y", [1, 4, 12, 12]))
    view = View(half)
    for operator in ("Clip", "Pad", "Resize", "Greater", "Where", "Mul"):
        (node,) = [node for node in half.graph.node if node.op_type == operator]
        types = [view.elem_type(name) for name in node.input if name]
        floats = [kind for kind in types if kind in (TensorProto.FLOAT, TensorProto.FLOAT16)]
        assert floats[0] == TensorProto.FLOAT16
        assert set(floats[1:]) <= {TensorProto.FLOAT if operator == "Resize" else TensorProto.FLOAT16}
    (pad,) = [node for node in half.graph.node if node.op_type == "Pad"]
    value = view.constant(pad.input[2])
    assert value is not None and value == np.float16(-65504)
    image = np.random.default_rng(0).normal(size=(1, 3, 5, 5)).astype(np.float32)
    full = run_onnxruntime(net.model(tensor("x", [1, 3, 5, 5]), tensor("y", [1, 4, 12, 12])), image)
    np.testing.assert_allclose(run_onnxruntime(half, image), full, atol=0.02)


def test_a_wide_output_keeps_its_name_and_becomes_half() -> None:
    net = Sketch()
    net.node("Softmax", [net.conv("x", "c", (3, 4))], "p", axis=1)
    net.node("Relu", ["p"], "y")
    half = half_of(net, [1, 3, 5, 5], tensor("p", [1, 4, 5, 5]), tensor("y", [1, 4, 5, 5]))
    assert [value.name for value in half.graph.output] == ["p", "y"]
    assert {value.type.tensor_type.elem_type for value in half.graph.output} == {TensorProto.FLOAT16}
    assert input_types(half, "Softmax") == {TensorProto.FLOAT}


def test_shape_arithmetic_in_floats_stays_exact() -> None:
    net = Sketch()
    net.conv("x", "c", (3, 1))
    net.node("Cast", [net.node("Shape", ["c"], "shape")], "sides", to=TensorProto.FLOAT)
    net.node("Mul", ["sides", net.const("double", np.array([1, 1, 1, 2], np.float32))], "wide")
    net.node("Cast", ["wide"], "sizes", to=TensorProto.INT64)
    net.node("Resize", ["c", "", "", "sizes"], "y", mode="nearest")
    half = half_of(net, [1, 3, 1, 2051], tensor("y", [1, 1, 1, 4102]))
    image = np.zeros((1, 3, 1, 2051), np.float32)
    assert run_onnxruntime(half, image).shape == (1, 1, 1, 4102)


def test_constant_nodes_and_old_constants_narrow_too() -> None:
    net = Sketch()
    net.conv("x", "c", (3, 2))
    value = np.array([[[[1e9]], [[-2.0]]]], np.float32)
    net.node("Constant", [], "k", value=onnx.numpy_helper.from_array(value))
    net.node("Add", ["c", "k"], "y")
    model, counts = to_half(net.model(tensor("x", [1, 3, 4, 4]), tensor("y", [1, 2, 4, 4])))
    assert counts.saturated == 1 and counts.constants == 3
    result: Array = run_onnxruntime(model, np.zeros((1, 3, 4, 4), np.float32))
    assert result.dtype == np.float16 and result[0, 0].min() > 65000


def test_control_flow_and_quantisation_are_refused_by_name() -> None:
    net = Sketch()
    body = helper.make_graph([helper.make_node("Relu", ["x"], ["z"])], "body", [], [tensor("z", [1, 3, 4, 4])])
    condition = net.const("condition", np.array(True))
    net.node("If", [condition], "y", then_branch=body, else_branch=body)
    with pytest.raises(ModelError, match="If 'y' can't be turned into float16"):
        lower(net.model(tensor("x", [1, 3, 4, 4]), tensor("y", [1, 3, 4, 4])), "tensorrt", precision="fp16")
