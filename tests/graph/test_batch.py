"""Several frames at once: each gets what it gets alone; what would mix them is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.batch import NAME, batched
from edge_segnet.graph.head import Head
from edge_segnet.graph.lower import Target, lower
from edge_segnet.graph.model_files import DECODED
from tests.graph.runtimes import RUNNERS, Array, run_onnxruntime
from tests.support.int8 import int8_of, random_family
from tests.support.nets import Sketch, hourglass, random_frame, random_model, tensor

SIZES = {"segnet-lite": (75, 61), "segnet-basic": (66, 45), "segnet": (48, 37)}


def every_output(model: onnx.ModelProto, frames: Array) -> list[Array]:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, {session.get_inputs()[0].name: frames}))


def dims(model: onnx.ModelProto) -> list[Any]:
    values = (*model.graph.input, *model.graph.output)
    firsts = [value.type.tensor_type.shape.dim[0] for value in values]
    return [first.dim_param or first.dim_value for first in firsts]


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("head", ["logits", "decode"])
@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt"])
def test_every_frame_of_a_batch_gets_what_it_gets_alone(name: str, head: Head, target: Target) -> None:
    model = random_model(name, SIZES[name])
    frames = np.concatenate([random_frame(SIZES[name], seed) for seed in range(3)])
    alone = lower(model, target, head=head).model
    together = lower(model, target, head=head, batch=3).model
    single = [every_output(alone, frames[at : at + 1]) for at in range(3)]
    found = every_output(together, frames)
    for index, output in enumerate(found):
        wanted = np.concatenate([one[index] for one in single])
        if name == "segnet-basic" and output.dtype == np.float32:  # ONNX Runtime's LRN adds in another order
            np.testing.assert_allclose(output, wanted, atol=1e-6 * np.abs(wanted).max())
        else:
            assert output.tobytes() == wanted.tobytes()
    outputs = len(DECODED) if head == "decode" else 1
    assert dims(together) == [NAME if target == "tensorrt" else 3] * (1 + outputs)
    if target == "tensorrt":
        two = every_output(together, frames[:2])
        assert all(np.array_equal(output, whole[:2]) for output, whole in zip(two, found, strict=True))
    onnx.checker.check_model(together, full_check=True)


@pytest.mark.parametrize("target", ["openvino", "opencv"])
def test_other_runtimes_take_a_fixed_batch(target: Target) -> None:
    model = random_model("segnet-lite", (64, 45))
    frames = np.concatenate([random_frame((64, 45), seed) for seed in range(2)])
    found = RUNNERS[target](lower(model, target, batch=2).model, frames)
    wanted = run_onnxruntime(lower(model, "onnxruntime", batch=2).model, frames)
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=2e-3 * np.abs(wanted).max())


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt"])
def test_padded_and_cut_poolings(ceil: bool, target: Target) -> None:
    model = hourglass((45, 37), ceil=ceil)
    shape = [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim]
    pictures = np.random.default_rng(0).normal(size=(2, *shape[1:])).astype(np.float32)
    alone = lower(model, target).model
    found = run_onnxruntime(lower(model, target, batch=2).model, pictures)
    assert found.tobytes() == np.concatenate([run_onnxruntime(alone, one[None]) for one in pictures]).tobytes()


@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt"])
def test_an_int8_model(target: Target) -> None:
    model = int8_of(random_family("segnet-lite", (64, 48))).proto
    frames = np.concatenate([random_frame((64, 48), seed) for seed in range(2)])
    alone = lower(model, target).model
    found = run_onnxruntime(lower(model, target, batch=2).model, frames)
    assert found.tobytes() == np.concatenate([run_onnxruntime(alone, one[None]) for one in frames]).tobytes()


@pytest.mark.parametrize(
    ("operator", "inputs", "settings", "shape"),
    [
        ("ReduceMean", ["x"], {"axes": [0, 2], "keepdims": 1}, [1, 3, 1, 5]),
        ("Transpose", ["x"], {"perm": [1, 0, 2, 3]}, [3, 1, 4, 5]),
        ("Softmax", ["x"], {"axis": 0}, [1, 3, 4, 5]),
        ("Concat", ["x", "x"], {"axis": 0}, [2, 3, 4, 5]),
        ("Reshape", ["x", "flat"], {}, [3, 20]),
        ("Pad", ["x", "pads"], {}, [2, 3, 4, 5]),
        ("Add", ["x", "deep"], {}, [2, 3, 4, 5]),
        ("CumSum", ["x", "axis"], {}, [1, 3, 4, 5]),
        ("Slice", ["x", "axis", "one"], {}, [1, 3, 4, 5]),
        ("Squeeze", ["x", "axis0"], {}, [3, 4, 5]),
    ],
)
def test_what_could_mix_frames_is_refused(
    operator: str, inputs: list[str], settings: dict[str, Any], shape: list[int]
) -> None:
    net = Sketch()
    net.const("flat", np.array([3, 20], np.int64))
    net.const("pads", np.array([0, 0, 0, 0, 1, 0, 0, 0], np.int64))
    net.const("deep", np.zeros((2, 1, 1, 1), np.float32))
    net.const("axis", np.array(0 if operator == "CumSum" else [0], np.int64))
    net.const("axis0", np.array([0], np.int64))
    net.const("one", np.array([1], np.int64))
    net.node(operator, inputs, "y", **settings)
    model = net.model(tensor("x", [1, 3, 4, 5]), tensor("y", shape))
    with pytest.raises(ModelError, match=r"'y'.*(may mix the frames of a batch|no axis for the frames)"):
        batched(model, 2)


def test_shapes_that_are_written_into_the_graph_follow() -> None:
    net = Sketch()
    net.const("grouped", np.array([1, 2, -1, 5], np.int64))
    net.node("Reshape", ["x", "grouped"], "a")
    net.const("sizes", np.array([1, 2, 16, 10], np.int64))
    net.nodes.append(onnx.helper.make_node("Resize", ["a", "", "", "sizes"], ["y"], mode="nearest"))
    model = net.model(tensor("x", [1, 4, 4, 5]), tensor("y", [1, 2, 16, 10]))
    pictures = np.random.default_rng(0).normal(size=(3, 4, 4, 5)).astype(np.float32)
    found = run_onnxruntime(batched(model, 3), pictures)
    assert np.array_equal(found, np.concatenate([run_onnxruntime(model, one[None]) for one in pictures]))
    with pytest.raises(ModelError, match="Resize 'y' may mix"):
        batched(model, None)


def test_the_given_model_stays_as_it_was() -> None:
    model = random_model("segnet-lite", (64, 45))
    before = model.SerializeToString(deterministic=True)
    assert dims(lower(model, "tensorrt", precision="fp16", batch=4).model) == [NAME, NAME]
    assert model.SerializeToString(deterministic=True) == before
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.UINT8
