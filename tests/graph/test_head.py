"""The decode in the graph: what NumPy says, in every runtime that has it, for logits of every kind."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.head import Decode
from edge_segnet.graph.lower import Target, lower
from edge_segnet.graph.model_files import DECODED
from tests.cuda.reference import adversarial, decode
from tests.support.nets import Sketch, random_frame, random_model, tensor

TEMPERATURE = 1.7
TARGETS: tuple[Target, ...] = ("onnxruntime", "openvino")
_CASES = [pytest.param(logits, id=name) for name, logits in adversarial(np.float32) if len(logits) < 255]


def run(model: onnx.ModelProto, target: Target, given: Any) -> dict[str, Any]:
    """All outputs by name."""
    if target == "openvino":
        openvino = pytest.importorskip("openvino", reason="OpenVINO is not installed (extra: test)")
        core = openvino.Core()
        network = core.read_model(model.SerializeToString())
        compiled = core.compile_model(network, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        found = compiled([given])
        return {name: np.array(found[name]) for name in DECODED}
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip(DECODED, session.run(DECODED, {session.get_inputs()[0].name: given}), strict=True))


def check(found: dict[str, Any], logits: Any) -> None:
    wanted = decode(logits, TEMPERATURE)
    assert found["labels"].dtype == found["margins"].dtype == np.uint8
    assert np.array_equal(found["labels"][0], wanted.labels)
    assert np.array_equal(found["margins"][0], wanted.margins)
    assert found["broken"].tolist() == [wanted.broken]
    if abs(wanted.winning) < 1e12:
        assert found["winning"] == pytest.approx([wanted.winning], abs=1e-4 * logits[0].size)


def passing_on(shape: tuple[int, ...], opset: int = 17, kind: int = TensorProto.FLOAT) -> onnx.ModelProto:
    net = Sketch()
    net.node("Identity", ["x"], "logits")
    model = net.model(tensor("x", [1, *shape], kind), tensor("logits", [1, *shape], kind))
    model.opset_import[0].version = opset
    return model


@pytest.mark.parametrize("logits", _CASES)
@pytest.mark.parametrize("target", TARGETS)
def test_adversarial_logits(target: Target, logits: Any) -> None:
    if target == "openvino" and np.abs(logits).max(initial=0, where=np.isfinite(logits)) > 1e30:
        pytest.skip("the sum that finds NaN overflows")
    model = lower(passing_on(logits.shape), target, head="decode", decode=Decode(TEMPERATURE)).model
    check(run(model, target, logits[None]), logits)


@pytest.mark.parametrize("opset", [11, 13, 18])
def test_older_and_newer_opsets(opset: int) -> None:
    logits = np.random.default_rng(opset).normal(0, 4, (5, 9, 14)).astype(np.float32)
    logits[2, 3, 4] = np.nan
    model = lower(passing_on(logits.shape, opset), "onnxruntime", head="decode", decode=Decode(TEMPERATURE)).model
    check(run(model, "onnxruntime", logits[None]), logits)


def test_float16_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 4, (5, 9, 14)).astype(np.float16)
    shape, half = logits.shape, TensorProto.FLOAT16
    model = lower(passing_on(shape, kind=half), "onnxruntime", head="decode", decode=Decode(TEMPERATURE)).model
    check(run(model, "onnxruntime", logits[None]), logits)


@pytest.mark.parametrize("size", [(64, 48), (65, 47), (33, 50)])
def test_a_network_whose_logits_are_arranged_from_sub_pixels(size: tuple[int, int]) -> None:
    """Its labels are arranged instead: no DepthToSpace of logits is left, but where an odd size is cut."""
    model, frame = random_model("segnet-lite", size, classes=11), random_frame(size)
    lowered = lower(model, "onnxruntime", head="decode", decode=Decode(TEMPERATURE)).model
    session = onnxruntime.InferenceSession(lower(model, "onnxruntime").model.SerializeToString())
    arranged = sum(node.op_type == "DepthToSpace" for node in lowered.graph.node)
    assert arranged == size[0] % 2 | size[1] % 2
    (logits,) = session.run(["logits"], {"frame": frame})
    check(run(lowered, "onnxruntime", frame), logits[0])


@pytest.mark.parametrize("target", TARGETS)
def test_sub_pixels_alone(target: Target) -> None:
    net = Sketch()
    net.node("DepthToSpace", ["x"], "logits", blocksize=2, mode="CRD")
    model = net.model(tensor("x", [1, 12, 6, 8]), tensor("logits", [1, 3, 12, 16]))
    given = np.random.default_rng(1).normal(0, 3, (1, 12, 6, 8)).astype(np.float32)
    given[0, 5, 2, 3] = np.nan
    (logits,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": given})
    check(run(lower(model, target, head="decode", decode=Decode(TEMPERATURE)).model, target, given), logits[0])


def test_any_other_arrangement_is_decoded_as_it_comes() -> None:
    """DCR order, and what is cut afterwards, must not be taken for the sub-pixel head."""
    given = np.random.default_rng(1).normal(0, 3, (1, 12, 6, 8)).astype(np.float32)
    for mode, start in (("DCR", 0), ("CRD", 1)):
        net = Sketch()
        net.node("DepthToSpace", ["x"], "full", blocksize=2, mode=mode)
        ends = [("starts", [start, start]), ("ends", [11, 15]), ("axes", [2, 3])]
        cut = [net.const(name, np.array(values, np.int64)) for name, values in ends]
        net.node("Slice", ["full", *cut], "logits")
        model = net.model(tensor("x", [1, 12, 6, 8]), tensor("logits", [1, 3, 11 - start, 15 - start]))
        (logits,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": given})
        lowered = lower(model, "onnxruntime", head="decode", decode=Decode(TEMPERATURE)).model
        check(run(lowered, "onnxruntime", given), logits[0])


def test_void_may_have_a_channel_of_its_own() -> None:
    logits = np.random.default_rng(2).normal(0, 3, (4, 6, 8)).astype(np.float32)
    logits[1, 2, 3] = np.nan
    model = lower(passing_on(logits.shape), "onnxruntime", head="decode", decode=Decode(classes=3)).model
    found, wanted = run(model, "onnxruntime", logits[None]), decode(logits, classes=3)
    assert np.array_equal(found["labels"][0], wanted.labels) and found["labels"][0, 2, 3] == 3
    assert found["broken"].tolist() == [1] and wanted.counts[3] > 1


def test_what_can_not_be_decoded() -> None:
    with pytest.raises(ModelError, match="256 classes: labels of one byte"):
        lower(passing_on((256, 2, 2)), "onnxruntime", head="decode")
    net = Sketch()
    net.node("Identity", ["x"], "margins")
    net.node("Identity", ["margins"], "logits")
    taken = net.model(tensor("x", [1, 3, 4, 4]), tensor("logits", [1, 3, 4, 4]))
    with pytest.raises(ModelError, match="a tensor called 'margins' already"):
        lower(taken, "onnxruntime", head="decode")


def test_outputs_are_declared() -> None:
    model = lower(random_model("segnet-lite", (64, 45)), "onnxruntime", head="decode").model
    assert list(model.graph.output) == [
        helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, 45, 64]),
        helper.make_tensor_value_info("margins", TensorProto.UINT8, [1, 45, 64]),
        helper.make_tensor_value_info("winning", TensorProto.FLOAT, [1]),
        helper.make_tensor_value_info("broken", TensorProto.INT64, [1]),
    ]
