"""The family in every runtime, the label head, and what lowering keeps and says."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.lower import Precision, Target, lower
from tests.graph.runtimes import RUNNERS, Array, run_onnxruntime
from tests.support.nets import Sketch, hourglass, random_frame, random_model, tensor

TARGETS: tuple[Target, ...] = ("onnxruntime", "tensorrt", "openvino", "opencv")
SIZES = {"segnet-lite": (75, 61), "segnet-basic": (66, 45), "segnet": (48, 37)}


def agreement(logits: Array, others: Array) -> float:
    """Share of equal labels among the pixels whose best class leads by more than rounding could turn."""
    best = np.sort(logits, axis=1)
    clear = best[:, -1] - best[:, -2] > 1e-3 * np.abs(logits).max()
    assert clear.mean() > 0.9
    return float((logits.argmax(1) == others.argmax(1))[clear].mean())


@pytest.mark.parametrize("name", SIZES)
def test_the_operator_form_gives_the_native_logits_bit_for_bit(name: str) -> None:
    model, frame = random_model(name, SIZES[name]), random_frame(SIZES[name])
    native = run_onnxruntime(lower(model, "onnxruntime").model, frame)
    assert run_onnxruntime(lower(model, "tensorrt").model, frame).tobytes() == native.tobytes()


@pytest.mark.parametrize("target", ["openvino", "opencv"])
@pytest.mark.parametrize("name", SIZES)
def test_the_family_gives_the_same_labels_elsewhere(name: str, target: Target) -> None:
    model, frame = random_model(name, SIZES[name]), random_frame(SIZES[name])
    native = run_onnxruntime(lower(model, "onnxruntime").model, frame)
    assert agreement(native, RUNNERS[target](lower(model, target).model, frame)) == 1.0


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_label_head_is_the_argmax(target: Target, precision: Precision) -> None:
    model, frame = random_model("segnet-lite", (64, 45)), random_frame((64, 45))
    runner = RUNNERS.get(target, run_onnxruntime)
    logits = runner(lower(model, target, precision=precision).model, frame)
    lowered = lower(model, target, head="labels", precision=precision).model
    labels = runner(lowered, frame)
    assert labels.shape == (1, 45, 64)
    if target != "opencv":  # OpenCV 4 hands every output over as float32
        assert labels.dtype == np.uint8
    labels = labels.astype(np.uint8)
    # CPU runtimes widen float16 inside and take the argmax before rounding: there a tie may go either way.
    np.testing.assert_array_equal(np.take_along_axis(logits, labels[:, None], 1)[:, 0], logits.max(1))
    assert precision == "fp16" or np.array_equal(labels, logits.argmax(1))
    (output,) = lowered.graph.output
    assert output == helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, 45, 64])


def test_the_label_head_takes_the_first_of_equal_classes() -> None:
    net = Sketch()
    net.node("Identity", ["x"], "logits")
    model = net.model(tensor("x", [1, 3, 2, 2]), tensor("logits", [1, 3, 2, 2]))
    scores = np.array([[[[0, 1], [2, 0]], [[0, 1], [2, 1]], [[0, 0], [3, 1]]]], np.float32)
    for target in TARGETS:
        lowered = lower(model, target, head="labels").model
        assert RUNNERS.get(target, run_onnxruntime)(lowered, scores).reshape(2, 2).tolist() == [[0, 0], [2, 1]]


def test_a_label_head_needs_logits() -> None:
    net = Sketch()
    net.node("GlobalAveragePool", ["x"], "mean")
    net.node("Flatten", ["mean"], "y")
    with pytest.raises(ModelError, match=r"output 'y' \[1, 3\] is not logits"):
        lower(net.model(tensor("x", [1, 3, 4, 4]), tensor("y", [1, 3])), "tensorrt", head="labels")
    net = Sketch()
    net.node("Identity", ["x"], "a")
    net.node("Identity", ["x"], "b")
    two = net.model(tensor("x", [1, 3, 4, 4]), tensor("a", [1, 3, 4, 4]), tensor("b", [1, 3, 4, 4]))
    with pytest.raises(ModelError, match="which of the outputs"):
        lower(two, "tensorrt", head="labels")


@pytest.mark.parametrize("target", TARGETS)
def test_metadata_and_the_given_model_stay_as_they_were(target: Target) -> None:
    model = random_model("segnet-lite", (64, 45))
    helper.set_model_props(model, {"edge_segnet.name": "x", "other": "y"})
    before = model.SerializeToString(deterministic=True)
    for precision in ("fp32", "fp16"):
        lowered = lower(model, target, precision=precision, size=(50, 40)).model
        assert {entry.key: entry.value for entry in lowered.metadata_props} == {"edge_segnet.name": "x", "other": "y"}
        onnx.checker.check_model(lowered, full_check=True)
    assert model.SerializeToString(deterministic=True) == before


def test_shapes_are_written_for_every_map() -> None:
    lowered = lower(random_model("segnet", (45, 37)), "tensorrt").model
    known = {value.name: value for value in (*lowered.graph.value_info, *lowered.graph.output)}
    for node in lowered.graph.node:
        for name in node.output:
            assert all(dim.dim_value > 0 for dim in known[name].type.tensor_type.shape.dim)


def test_the_report_says_what_was_rewritten() -> None:
    model = random_model("segnet", (480, 360))
    lowered = lower(model, "tensorrt", precision="fp16", head="labels", size=(96, 90))
    assert lowered.counts["pools"] == lowered.counts["unpools"] == 5
    assert lowered.counts["padded"] == 2  # 90 -> 45 -> 23 -> 12 -> 6
    assert lowered.report == (
        "shapes re-derived for 96x90",
        "5 index poolings and 5 unpoolings written as slices, comparisons and selections",
        "2 odd maps padded, and cut after unpooling",
        "argmax over the classes appended: output 'labels' uint8",
        "53 constants (29430022 values) in float16, 1 casts",
    )
    kept = lower(hourglass((32, 32), ceil=False), "onnxruntime").report
    assert kept == ("2 index poolings and 2 unpoolings kept as they are",)
    net = Sketch()
    net.node("Relu", ["x"], "y")
    plain = net.model(tensor("x", [1, 3, 4, 4]), tensor("y", [1, 3, 4, 4]))
    assert lower(plain, "tensorrt").report == ("no index pooling found: nothing to rewrite",)


@pytest.mark.parametrize("opset", [9, 10])
def test_an_old_opset_is_brought_to_a_newer_one(opset: int) -> None:
    sketch = Sketch(opset=opset)
    shape = [1, 4, 33, 47]
    sketch.pool(sketch.node("Relu", [sketch.conv("x", "c", (3, 4))], "r"), "p")
    sketch.unpool(sketch.conv("p", "d", (4, 4)), "p", "u", shape)
    model = sketch.model(tensor("x", [1, 3, 33, 47]), tensor("u", shape))
    model.ir_version = 4
    image = np.random.default_rng(0).normal(size=(1, 3, 33, 47)).astype(np.float32)
    expected = run_onnxruntime(model, image)
    for target in ("onnxruntime", "tensorrt"):
        lowered = lower(model, target).model
        assert lowered.opset_import[0].version >= 11
        np.testing.assert_array_equal(run_onnxruntime(lowered, image), expected)


def test_an_opset_that_onnx_cannot_convert_is_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def convert_version(*_: object) -> None:
        raise RuntimeError("No Adapter From Version 9 for Upsample\nmore")

    monkeypatch.setattr("onnx.version_converter.convert_version", convert_version)
    model = hourglass((32, 32), ceil=False)
    model.opset_import[0].version = 9
    with pytest.raises(ModelError, match=r"opset 9, and onnx can't bring it to 11 \(No Adapter .*at opset 11 or later"):
        lower(model, "tensorrt")


def test_initializers_among_the_inputs_and_node_names_of_others_do_no_harm() -> None:
    model = hourglass((33, 33), ceil=True)
    image = np.random.default_rng(0).normal(size=(1, 3, 33, 33)).astype(np.float32)
    expected = run_onnxruntime(lower(model, "tensorrt").model, image)
    for weight in model.graph.initializer:
        model.graph.input.append(tensor(weight.name, list(weight.dims), weight.data_type))
    for node, name in zip(model.graph.node, ("pool0.top", "up0.full", "pool0", "up1", "pool1"), strict=False):
        node.name = name
    lowered = lower(model, "tensorrt").model
    assert [value.name for value in lowered.graph.input] == ["image"]
    np.testing.assert_array_equal(run_onnxruntime(lowered, image), expected)


def test_local_functions_are_inlined() -> None:
    pytest.importorskip("onnx.inliner", reason="onnx is older than 1.15")
    model = hourglass((32, 32), ceil=False)
    body = [helper.make_node("MaxPool", ["a"], ["b", "c"], kernel_shape=[2, 2], strides=[2, 2])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("mine", "Halve", ["a"], ["b", "c"], body, opsets))
    model.opset_import.append(helper.make_opsetid("mine", 1))
    node = next(node for node in model.graph.node if node.op_type == "MaxPool")
    node.op_type, node.domain = "Halve", "mine"
    del node.attribute[:]
    lowered = lower(model, "tensorrt")
    assert lowered.counts["pools"] == 2 and not lowered.model.functions
