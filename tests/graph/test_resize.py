"""Another network size for a finished model: the same graph as one that was built at that size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.foreign import ForeignSpec, canonicalise
from edge_segnet.graph.lower import lower
from edge_segnet.graph.resize import resize
from edge_segnet.graph.view import View
from tests.graph.runtimes import run_onnxruntime
from tests.support.nets import Sketch, hourglass, random_frame, random_model, tensor

SIDES = st.integers(32, 129)
SPEC = ForeignSpec.model_validate(
    {"input": {"channels": "rgb", "range": 1}, "output": {"kind": "logits"}, "classes": "camvid-12"}
)


@settings(max_examples=20, deadline=None)
@given(
    name=st.sampled_from(["segnet-lite", "segnet-basic"]),
    before=st.tuples(SIDES, SIDES),
    after=st.tuples(SIDES, SIDES),
)
def test_a_resized_model_is_the_model_built_at_that_size(
    name: str, before: tuple[int, int], after: tuple[int, int]
) -> None:
    resized = resize(View(random_model(name, before)), after).model
    built, frame = random_model(name, after), random_frame(after)
    for target in ("onnxruntime", "tensorrt"):
        result = run_onnxruntime(lower(resized, target).model, frame)
        assert result.tobytes() == run_onnxruntime(lower(built, target).model, frame).tobytes()


def test_there_and_back_is_the_same() -> None:
    model, frame = random_model("segnet-lite", (64, 48)), random_frame((64, 48))
    back = resize(resize(View(model), (75, 61)), (64, 48)).model
    expected = run_onnxruntime(lower(model, "onnxruntime").model, frame)
    np.testing.assert_array_equal(run_onnxruntime(lower(back, "onnxruntime").model, frame), expected)


@pytest.mark.parametrize("ceil", [False, True])
def test_a_model_from_elsewhere_can_change_its_size_too(ceil: bool) -> None:
    resized = resize(View(canonicalise(hourglass((48, 40), ceil=ceil), SPEC)), (67, 45)).model
    built = canonicalise(hourglass((67, 45), ceil=ceil), SPEC)
    frame = random_frame((67, 45))
    expected = run_onnxruntime(lower(built, "onnxruntime").model, frame)
    np.testing.assert_array_equal(run_onnxruntime(lower(resized, "tensorrt").model, frame), expected)


def test_nets_that_pool_again_after_unpooling_are_settled_in_rounds() -> None:
    def stacked(size: tuple[int, int]) -> Sketch:
        net, value = Sketch(1), "x"
        for stage in range(3):
            pooled = net.pool(value, f"p{stage}", ceil_mode=1)
            value = net.conv(net.unpool(pooled, pooled, f"u{stage}", [1, 3, size[1], size[0]]), f"c{stage}", (3, 3))
        net.nodes[-1].output[0] = "y"
        return net

    def canonical(size: tuple[int, int]) -> bytes:
        shape = [1, 3, size[1], size[0]]
        model = canonicalise(stacked(size).model(tensor("x", shape), tensor("y", shape)), SPEC)
        model = resize(View(model), (51, 43)).model
        return run_onnxruntime(lower(model, "tensorrt").model, random_frame((51, 43))).tobytes()

    assert canonical((40, 36)) == canonical((51, 43))


def test_enlarged_logits_follow_the_size() -> None:
    net = Sketch()
    net.node("MaxPool", [net.conv("x", "c", (3, 4))], "half", kernel_shape=[2, 2], strides=[2, 2])
    model = canonicalise(net.model(tensor("x", [1, 3, 40, 48]), tensor("half", [1, 4, 20, 24])), SPEC)
    result = run_onnxruntime(lower(model, "onnxruntime", size=(60, 36)).model, random_frame((60, 36)))
    assert result.shape == (1, 4, 36, 60)


@pytest.mark.parametrize(
    ("operator", "words"),
    [("Slice", "Slice 'y' may depend on the network size 48x40"), ("Reshape", "Reshape 'y' may depend")],
)
def test_a_size_that_is_baked_in_is_refused_by_name(operator: str, words: str) -> None:
    net = Sketch()
    value = net.conv("x", "c", (3, 4))
    if operator == "Slice":
        axes, starts = net.const("axes", np.array([2], np.int64)), net.const("starts", np.array([4], np.int64))
        net.node("Slice", [value, starts, net.const("ends", np.array([36], np.int64)), axes], "y")
        shape = [1, 4, 32, 48]
    else:
        net.node("Reshape", [value, net.const("shape", np.array([1, 4, 40, 48], np.int64))], "y")
        shape = [1, 4, 40, 48]
    model = canonicalise(net.model(tensor("x", [1, 3, 40, 48]), tensor("y", shape)), SPEC)
    with pytest.raises(ModelError, match=words):
        resize(View(model), (64, 64))


def test_too_small_and_not_canonical_are_refused() -> None:
    with pytest.raises(ModelError, match="network size 31x40 is too small"):
        resize(View(random_model("segnet-lite", (64, 48))), (31, 40))
    with pytest.raises(ModelError, match=r"only a canonical model .* has \['image'\] -> \['scores'\]"):
        lower(hourglass((32, 32), ceil=False), "tensorrt", size=(64, 64))
