"""What comes out of foreign models: one channel, probabilities, void among the outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.foreign import ForeignSpec, canonicalise
from tests.graph.runtimes import Array, run_onnxruntime
from tests.support.nets import Sketch, random_frame, tensor

SIZE = (40, 36)
FRAME = random_frame(SIZE)


def scores(channels: int, *, last: str = "", opset: int = 17, nhwc: bool = False, **settings: Any) -> onnx.ModelProto:
    """A convolution of the picture, and what makes probabilities of it."""
    sketch = Sketch(opset=opset)
    value = sketch.conv("x", "c", (3, channels))
    shape = [1, channels, SIZE[1], SIZE[0]]
    if nhwc:
        value, shape = sketch.node("Transpose", [value], "t", perm=[0, 2, 3, 1]), [1, SIZE[1], SIZE[0], channels]
    if last:
        value = sketch.node(last, [value], "made", **settings)
    return sketch.model(tensor("x", [1, 3, SIZE[1], SIZE[0]]), tensor(value, shape))


def converted(model: onnx.ModelProto, classes: int, void: int | None = None, **output: Any) -> Array:
    """The canonical model's logits."""
    given = {"input": {"channels": "bgr", "range": 1}, "output": {"kind": "logits"} | output, "classes": "x.yaml"}
    spec = ForeignSpec.model_validate(given | ({} if void is None else {"void": void}))
    return run_onnxruntime(canonicalise(model, spec, class_count=classes), FRAME)


def raw(model: onnx.ModelProto) -> Array:
    picture = (FRAME.transpose(0, 3, 1, 2) / np.float32(255)).astype(np.float32)
    return run_onnxruntime(model, picture)


def sigmoid(value: Array) -> Array:
    return 1 / (1 + np.exp(-value))


@pytest.mark.parametrize("threshold", [0.5, 0.2, 0.9])
@pytest.mark.parametrize(("last", "kind"), [("", "logits"), ("Sigmoid", "probability"), ("Sigmoid", "logits")])
@pytest.mark.parametrize("nhwc", [False, True])
def test_one_channel_says_yes_above_its_threshold(threshold: float, last: str, kind: str, nhwc: bool) -> None:
    own = raw(scores(1))[:, 0]
    found = converted(scores(1, last=last, nhwc=nhwc), 2, kind=kind, threshold=threshold)
    yes = sigmoid(own) > threshold
    assert 0.02 < yes.mean() < 0.98 or threshold != 0.5
    clear = np.abs(sigmoid(own) - threshold) > 1e-6
    assert np.array_equal(found.argmax(1)[clear], yes[clear])
    odds = np.log(threshold / (1 - threshold))
    np.testing.assert_allclose(found[:, 1] - found[:, 0], own - odds, rtol=0, atol=1e-5)


def test_one_channel_after_something_else_than_a_sigmoid_stays_finite() -> None:
    found = converted(scores(1, last="HardSigmoid", alpha=1.0), 2, kind="probability")
    assert np.isfinite(found).all()
    hard = np.clip(raw(scores(1))[:, 0] + 0.5, 0, 1)
    assert np.array_equal(found.argmax(1), hard > 0.5)


@pytest.mark.parametrize("classes", [1, 3])
@pytest.mark.parametrize("kind", ["logits", "probability"])
def test_one_channel_needs_two_classes(classes: int, kind: str) -> None:
    with pytest.raises(ModelError, match=rf"one channel says yes or no, but the class map has {classes} class.*two"):
        converted(scores(1, last="Sigmoid"), classes, kind=kind)


@pytest.mark.parametrize("kind", ["logits", "probability"])
@pytest.mark.parametrize("form", [{"axis": 1}, {"axis": -1, "nhwc": True}, {"axis": 1, "opset": 11}])
def test_a_last_softmax_is_left_out(kind: str, form: dict[str, Any]) -> None:
    nhwc, opset = form.get("nhwc", False), form.get("opset", 17)
    model = scores(4, last="Softmax", nhwc=nhwc, opset=opset, axis=form["axis"])
    np.testing.assert_array_equal(converted(model, 4, kind=kind), raw(scores(4, opset=opset)))


def test_probabilities_of_another_make_become_logarithms() -> None:
    sketch = Sketch()
    value = sketch.node("Softmax", [sketch.conv("x", "c", (3, 4))], "s", axis=1)
    sketch.node("Mul", [value, sketch.const("most", np.array(0.999, np.float32))], "y")
    shape = [1, 4, SIZE[1], SIZE[0]]
    model = sketch.model(tensor("x", [1, 3, *shape[2:]]), tensor("y", shape))
    found, own = converted(model, 4, kind="probability"), raw(scores(4))
    np.testing.assert_allclose(found - found[:, :1], own - own[:, :1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("void", [0, 2, 4])
@pytest.mark.parametrize("kind", ["logits", "labels"])
def test_void_moves_behind_the_classes_which_keep_their_order(void: int, kind: str) -> None:
    own = raw(scores(5))
    model = scores(5)
    if kind == "labels":
        model.graph.node.append(onnx.helper.make_node("ArgMax", ["c"], ["ids"], name="ids", axis=1, keepdims=0))
        model.graph.output[0].CopyFrom(tensor("ids", [1, SIZE[1], SIZE[0]], onnx.TensorProto.INT64))
    found = converted(model, 4, void, kind=kind)
    order = [place for place in range(5) if place != void] + [void]
    assert found.shape == own.shape
    assert np.array_equal(found.argmax(1), own[:, order].argmax(1))
