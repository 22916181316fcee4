"""INT8 in the canonical graph: what is quantised, what is left alone, and that every runtime computes the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Frame
from edge_segnet.graph import card as cards
from edge_segnet.graph.lower import Target, lower
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.graph.quantise import is_quantised, layers, quantise, quantised_layers
from edge_segnet.graph.resize import resize
from edge_segnet.graph.view import View
from edge_segnet.graph.whole import whole_numbers
from edge_segnet.offline.int8.ranges import measure
from edge_segnet.street import Street
from tests.graph.runtimes import run_openvino
from tests.support.int8 import int8_of, random_family

SIZE = (96, 74)
"""Odd maps on the way down: 37 rows."""
FAMILY = ("segnet", "segnet-basic", "segnet-lite")


@pytest.fixture(scope="module", params=FAMILY)
def pair(request: pytest.FixtureRequest) -> tuple[OnnxModel, OnnxModel]:
    """A model, and its INT8 form."""
    model = random_family(request.param, SIZE)
    return model, int8_of(model)


def run(model: onnx.ModelProto, frame: NDArray[np.uint8], level: Any = None) -> NDArray[np.float32]:
    """Logits, by ONNX Runtime as it reads the graph, or at another level of optimisation."""
    options = ort.SessionOptions()
    options.graph_optimization_level = level or ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(
        model.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["WeightBiasQuantization"],
    )
    return np.asarray(session.run(["logits"], {"frame": frame})[0])


def test_convolutions_become_int8_and_nothing_else_moves(pair: tuple[OnnxModel, OnnxModel]) -> None:
    model, int8 = pair
    before, after = model.proto.graph, int8.proto.graph
    assert not is_quantised(model.proto) and int8.card.precision == "int8"
    assert quantised_layers(int8.proto) == [node.name for node in before.node if node.op_type == "Conv"]
    others = [node for node in before.node if node.op_type != "Conv"]
    kept = [node for node in after.node if node.op_type not in ("Conv", "QuantizeLinear", "DequantizeLinear")]
    assert kept == others
    assert [node.input for node in kept if "Pool" in node.op_type] == [n.input for n in others if "Pool" in n.op_type]
    weights = [tensor for tensor in after.initializer if tensor.data_type == onnx.TensorProto.INT8]
    assert sum(len(tensor.raw_data) for tensor in weights) > 0.9 * sum(
        int(np.prod(tensor.dims)) for tensor in before.initializer
    )


def test_scales_are_float16s_own_numbers_and_one_for_each_channel(pair: tuple[OnnxModel, OnnxModel]) -> None:
    view = View(pair[1].proto)
    for node in pair[1].proto.graph.node:
        if node.op_type == "DequantizeLinear":
            scale, zero = view.constant(node.input[1]), view.constant(node.input[2])
            assert scale is not None and zero is not None and not zero.any()
            assert (scale > 0).all() and np.array_equal(scale, scale.astype(np.float16).astype(np.float32))
            if not node.input[0].endswith(".int8") or scale.ndim:
                assert scale.shape == (view.shape(node.input[0])[0],)


def test_the_labels_are_near_and_every_runtime_gives_the_same() -> None:
    """Trained weights: random ones turn pooling indices with the last bit, and amplify that."""
    size = (160, 126)  # 63 and 31 rows on the way down
    model = cards.resized(cards.load("segnet-lite"), size)
    scene = Street(size)
    pictures = [Frame(scene.render(90 * index)[0], None, index, 0, 0.0, "") for index in range(5)]
    sources = sorted({layer.source for layer in layers(model.shapes)})
    found = measure(model, sources, pictures[:4], lambda: None)
    cuts = {name: found[name].cut("mse") for name in sources}
    int8 = quantise(model.shapes, cuts, [layer.name for layer in layers(model.shapes)])
    frame = pictures[4].image[np.newaxis]
    full = run(lower(model.proto, "onnxruntime").model, frame).argmax(1)
    plain = run(lower(int8, "tensorrt").model, frame).argmax(1)
    assert 0.95 < (plain == full).mean() < 1.0
    assert (plain == run_openvino(lower(int8, "openvino").model, frame).argmax(1)).mean() > 0.985
    native = lower(int8, "onnxruntime").model
    for level in (None, ort.GraphOptimizationLevel.ORT_ENABLE_ALL):
        assert (plain == run(native, frame, level).argmax(1)).mean() > 0.985


def test_onnx_runtime_computes_in_whole_numbers(pair: tuple[OnnxModel, OnnxModel], tmp_path: Any) -> None:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    graph = lower(pair[1].proto, "onnxruntime").model.SerializeToString()
    ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    operators = [node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node]
    least = {"segnet": 12, "segnet-basic": 0, "segnet-lite": 30}[pair[0].card.name]
    assert operators.count("QLinearConv") >= least


def test_what_another_program_has_quantised_is_left_alone() -> None:
    int8 = int8_of(random_family("segnet", (64, 48))).proto
    for tensor in int8.graph.initializer:
        if tensor.name == "int8.zero":
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.array(3, np.int8), tensor.name))
    assert whole_numbers(int8) is int8


def test_layers_that_were_not_chosen_stay(pair: tuple[OnnxModel, OnnxModel]) -> None:
    model = pair[0]
    first, *others = [layer.name for layer in layers(model.shapes)]
    assert quantised_layers(int8_of(model, left_out=(first,)).proto) == others


def test_kinds_of_layers() -> None:
    kinds = {layer.name: layer.kind for layer in layers(random_family("segnet-lite", (64, 48)).shapes)}
    assert kinds["block1_depthwise.linear"] == "depthwise"
    assert kinds["block1_project"] == "pointwise" and kinds["classifier"] == "full"


@pytest.mark.parametrize("target", ["tensorrt", "openvino", "onnxruntime"])
def test_the_rest_becomes_float16_around_int8(pair: tuple[OnnxModel, OnnxModel], target: Target) -> None:
    lowered = lower(pair[1].proto, target, precision="int8")
    view = View(lowered.model)
    assert view.opset >= 19 and view.elem_type("logits") == onnx.TensorProto.FLOAT16
    assert quantised_layers(lowered.model) == quantised_layers(pair[1].proto)
    types = {view.elem_type(n.output[0]) for n in view.graph.node if n.op_type == "DequantizeLinear"}
    assert types == {onnx.TensorProto.FLOAT16}
    assert f"{len(quantised_layers(lowered.model))} convolutions in int8" in lowered.report


def test_another_size_keeps_int8() -> None:
    int8 = int8_of(random_family("segnet-lite", (64, 48)))
    other = resize(int8.shapes, (96, 64)).model
    assert quantised_layers(other) == quantised_layers(int8.proto)


def test_no_precision_is_taken_for_another(pair: tuple[OnnxModel, OnnxModel]) -> None:
    model, int8 = pair
    with pytest.raises(ModelError, match="all of it in FP16 would be another one"):
        lower(int8.proto, "tensorrt", precision="fp16")
    with pytest.raises(ModelError, match="not quantised, so there is no INT8"):
        lower(model.proto, "tensorrt", precision="int8")
    with pytest.raises(ModelError, match="quantised already"):
        quantise(int8.shapes, {}, [])


def test_impossible_ranges_and_old_opsets_are_told() -> None:
    model = random_family("segnet", (64, 48))
    first = layers(model.shapes)[0]
    with pytest.raises(ModelError, match="no scale is made of that"):
        quantise(model.shapes, {first.source: float("nan")}, [first.name])
    old = onnx.ModelProto()
    old.CopyFrom(model.proto)
    old.opset_import[0].version = 12
    with pytest.raises(ModelError, match="opset 12"):
        quantise(View(old), {first.source: 1.0}, [first.name])
