"""The rewrites of index pooling against ONNX Runtime's operators and against the definition."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.lower import Target, lower
from tests.graph import literal
from tests.graph.runtimes import RUNNERS, run_onnxruntime
from tests.support.nets import Sketch, hourglass, tensor, whole_numbers

SIDES = st.integers(32, 129)
OPERATOR_TARGETS: tuple[Target, ...] = ("tensorrt", "openvino", "opencv")


def pool_and_unpool(shape: list[int], ceil: bool, elem_type: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """x -> unpool(pool(x)): every maximum stays, everything else becomes zero."""
    net = Sketch()
    net.pool("x", "pooled", ceil_mode=int(ceil))
    net.unpool("pooled", "pooled", "y", shape)
    return net.model(tensor("x", shape, elem_type), tensor("y", shape, elem_type))


def tie_windows(odd: int) -> NDArray[np.float32]:
    """All 81 windows of {0,1,2}^4 as one map [1,1,18,18], with ``odd`` more rows and columns."""
    image = np.zeros((1, 1, 18, 18), np.float32)
    for index, window in enumerate(itertools.product((0, 1, 2), repeat=4)):
        row, column = divmod(index, 9)
        image[0, 0, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = np.reshape(window, (2, 2))
    return np.pad(image, ((0, 0), (0, 0), (0, odd), (0, odd)), mode="wrap")


def defined(image: NDArray[Any], ceil: bool) -> NDArray[Any]:
    maxima, places = literal.pool(image, ceil)
    return literal.unpool(maxima, places, list(image.shape))


@pytest.mark.parametrize("target", ["onnxruntime", *OPERATOR_TARGETS])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("odd", [0, 1])
@pytest.mark.parametrize("shift", [0.0, -1.0, -3.0])
def test_all_tie_windows_are_exact_in_their_runtime(target: Target, ceil: bool, odd: int, shift: float) -> None:
    image = tie_windows(odd) + np.float32(shift)
    lowered = lower(pool_and_unpool(list(image.shape), ceil), target).model
    result = RUNNERS.get(target, run_onnxruntime)(lowered, image)
    np.testing.assert_array_equal(result, defined(image, ceil))


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("odd", [0, 1])
def test_all_tie_windows_are_exact_in_half_precision(ceil: bool, odd: int) -> None:
    image = tie_windows(odd).astype(np.float16)
    lowered = lower(pool_and_unpool(list(image.shape), ceil, TensorProto.FLOAT16), "tensorrt").model
    np.testing.assert_array_equal(run_onnxruntime(lowered, image), defined(image, ceil))


def test_infinities_and_the_lowest_values_stay_in_their_windows() -> None:
    lowest = np.finfo(np.float32).min
    image = np.random.default_rng(0).choice(np.array([np.inf, lowest, -1, 0, 5], np.float32), (1, 3, 9, 7))
    # ONNX Runtime 1.16's own MaxPool has no index for a window that holds nothing but the lowest value.
    tame = image.copy()
    tame[:, :, ::2, ::2] = np.maximum(tame[:, :, ::2, ::2], -1)
    cases: list[tuple[Target, NDArray[np.float32]]] = [("onnxruntime", tame), ("tensorrt", tame), ("tensorrt", image)]
    for ceil in (False, True):
        for target, case in cases:
            result = run_onnxruntime(lower(pool_and_unpool([1, 3, 9, 7], ceil), target).model, case)
            np.testing.assert_array_equal(result, defined(case, ceil))


def test_a_nan_comes_back_in_one_place_only() -> None:
    image = np.zeros((1, 1, 2, 2), np.float32)
    image[0, 0, 0, 0] = np.nan
    result = run_onnxruntime(lower(pool_and_unpool([1, 1, 2, 2], False), "tensorrt").model, image)
    np.testing.assert_array_equal(result, image)


@settings(max_examples=80, deadline=None)
@given(width=SIDES, height=SIDES, depth=st.integers(1, 3), channels=st.integers(1, 5), seed=st.integers(0, 99))
def test_floor_mode_equals_native_onnxruntime_bit_for_bit(
    width: int, height: int, depth: int, channels: int, seed: int
) -> None:
    model = hourglass((width, height), ceil=False, depth=depth, channels=channels, seed=seed)
    image = np.random.default_rng(seed).normal(size=(1, 3, height, width)).astype(np.float32)
    native = run_onnxruntime(model, image)
    for target in ("onnxruntime", "tensorrt"):
        assert run_onnxruntime(lower(model, target).model, image).tobytes() == native.tobytes()


@settings(max_examples=80, deadline=None)
@given(width=SIDES, height=SIDES, depth=st.integers(1, 3), channels=st.integers(1, 5), seed=st.integers(0, 99))
def test_ceil_mode_operators_equal_the_padded_native_form(
    width: int, height: int, depth: int, channels: int, seed: int
) -> None:
    model = hourglass((width, height), ceil=True, depth=depth, channels=channels, seed=seed)
    image = np.random.default_rng(seed).normal(size=(1, 3, height, width)).astype(np.float32)
    padded = run_onnxruntime(lower(model, "onnxruntime").model, image)
    assert run_onnxruntime(lower(model, "tensorrt").model, image).tobytes() == padded.tobytes()


@settings(max_examples=20, deadline=None)
@given(width=SIDES, height=SIDES, ceil=st.booleans(), depth=st.integers(1, 3), seed=st.integers(0, 99))
def test_both_modes_equal_a_literal_numpy_network(width: int, height: int, ceil: bool, depth: int, seed: int) -> None:
    model = whole_numbers(hourglass((width, height), ceil=ceil, depth=depth, channels=2, seed=seed), seed)
    image = np.random.default_rng(seed).integers(-1, 2, (1, 3, height, width)).astype(np.float32)
    expected = literal.run_literal(model, image)
    for target in ("onnxruntime", "tensorrt"):
        np.testing.assert_array_equal(run_onnxruntime(lower(model, target).model, image), expected)


@settings(max_examples=25, deadline=None)
@given(width=SIDES, height=SIDES, ceil=st.booleans(), depth=st.integers(1, 3), seed=st.integers(0, 99))
@pytest.mark.parametrize("target", ["openvino", "opencv"])
def test_the_other_runtimes_compute_the_same_network(
    target: Target, width: int, height: int, ceil: bool, depth: int, seed: int
) -> None:
    # 1x1 kernels: fast 3x3 algorithms (Winograd) round, and would hide whether the pooling is exact.
    model = whole_numbers(hourglass((width, height), ceil=ceil, depth=depth, channels=3, kernel=1, seed=seed), seed)
    image = np.random.default_rng(seed).integers(-1, 2, (1, 3, height, width)).astype(np.float32)
    expected = run_onnxruntime(lower(model, "onnxruntime").model, image)
    np.testing.assert_array_equal(RUNNERS[target](lower(model, target).model, image), expected)


def test_even_maps_need_no_output_shape() -> None:
    model = hourglass((64, 32), ceil=False, depth=2, shapes=False)
    image = np.random.default_rng(0).normal(size=(1, 3, 32, 64)).astype(np.float32)
    assert np.array_equal(run_onnxruntime(lower(model, "tensorrt").model, image), run_onnxruntime(model, image))


def test_two_unpoolings_may_share_one_pooling() -> None:
    net = Sketch()
    net.pool("x", "p")
    net.unpool("p", "p", "a")
    net.unpool(net.node("Neg", ["p"], "n"), "p", "b")
    net.node("Concat", ["a", "b"], "y", axis=1)
    model = net.model(tensor("x", [2, 3, 8, 6]), tensor("y", [2, 6, 8, 6]))
    image = np.random.default_rng(0).integers(-2, 3, (2, 3, 8, 6)).astype(np.float32)
    lowered = lower(model, "tensorrt")
    assert lowered.counts["pools"] == 1 and lowered.counts["unpools"] == 2
    assert np.array_equal(run_onnxruntime(lowered.model, image), run_onnxruntime(model, image))


def test_output_shapes_that_are_computed_from_static_shapes_are_understood() -> None:
    net = Sketch()
    net.pool("x", "p")
    parts = [net.node("Shape", ["x"], "shape"), net.const("where", np.array([0, 1], np.int64))]
    head = net.node("Gather", parts, "head", axis=0)
    tail = net.const("tail", np.array([9, 7], np.int64))
    net.node("Concat", [head, tail], "restored", axis=0)
    net.node("MaxUnpool", ["p", "p.indices", "restored"], "y", kernel_shape=[2, 2], strides=[2, 2])
    model = net.model(tensor("x", [1, 3, 9, 7]), tensor("y", [1, 3, 9, 7]))
    image = np.random.default_rng(0).normal(size=(1, 3, 9, 7)).astype(np.float32)
    lowered = lower(model, "opencv").model
    assert {node.op_type for node in lowered.graph.node}.isdisjoint({"MaxUnpool", "MaxPool"})
    assert np.array_equal(run_onnxruntime(lowered, image), run_onnxruntime(model, image))


def test_indices_that_nobody_reads_are_dropped_for_other_runtimes() -> None:
    net = Sketch()
    net.pool("x", "y", kernel_shape=[3, 3], strides=[1, 1])
    model = net.model(tensor("x", [1, 3, 9, 7]), tensor("y", [1, 3, 7, 5]))
    assert [list(node.output) for node in lower(model, "tensorrt").model.graph.node] == [["y"]]
    assert len(lower(model, "onnxruntime").model.graph.node[0].output) == 2


def test_names_of_inputs_outputs_and_maps_stay() -> None:
    model = hourglass((33, 45), ceil=True)
    for target in ("onnxruntime", "tensorrt"):
        graph = lower(model, target).model.graph
        assert [value.name for value in graph.input] == ["image"]
        assert [value.name for value in graph.output] == ["scores"]
        made = {name for node in graph.node for name in node.output}
        assert {"pool0", "pool1", "up0", "up1"} <= made


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kernel_shape": [6, 6]}, "windows of [6, 6]"),
        ({"kernel_shape": [1, 1], "strides": [1, 1]}, "windows of [1, 1]"),
        ({"strides": [3, 3]}, "strides [3, 3]"),
        ({"strides": [2, 1]}, "strides [2, 1]"),
        ({"storage_order": 1}, "storage_order 1"),
        ({"dilations": [2, 2]}, "dilations [2, 2]"),
        ({"auto_pad": "SAME_UPPER"}, "auto_pad SAME_UPPER"),
    ],
)
def test_other_poolings_are_refused_by_name(wrong: dict[str, Any], words: str) -> None:
    net = Sketch()
    net.pool("x", "p", **wrong)
    net.unpool("p", "p", "y")
    model = net.model(tensor("x", [1, 1, 8, 8]), tensor("y", [1, 1, None, None]))
    with pytest.raises(ModelError, match="MaxPool 'p'") as caught:
        lower(model, "tensorrt")
    assert words in str(caught.value)


def test_indices_with_another_reader_are_refused_by_name() -> None:
    net = Sketch()
    net.pool("x", "p")
    net.unpool("p", "p", "y")
    net.node("Cast", ["p.indices"], "z", to=TensorProto.FLOAT)
    model = net.model(tensor("x", [1, 1, 8, 8]), tensor("y", [1, 1, 8, 8]), tensor("z", [1, 1, 4, 4]))
    with pytest.raises(ModelError, match="MaxPool 'p' are read by Cast 'z'"):
        lower(model, "tensorrt")


def test_indices_from_elsewhere_are_refused_by_name() -> None:
    net = Sketch()
    places = net.const("places", np.zeros((1, 1, 4, 4), np.int64))
    net.node("MaxUnpool", ["x", places], "y", kernel_shape=[2, 2], strides=[2, 2])
    model = net.model(tensor("x", [1, 1, 4, 4]), tensor("y", [1, 1, 8, 8]))
    with pytest.raises(ModelError, match="MaxUnpool 'y' do not come from a MaxPool"):
        lower(model, "tensorrt")


@pytest.mark.parametrize("ceil", [False, True])
def test_unpooling_to_another_size_than_was_pooled_is_refused(ceil: bool) -> None:
    net = Sketch()
    net.pool("x", "p", ceil_mode=int(ceil))
    net.unpool("p", "p", "y")
    model = net.model(tensor("x", [1, 2, 9, 9]), tensor("y", [1, 2, None, None]))
    with pytest.raises(ModelError, match=r"MaxUnpool 'y' restores .* from indices into \[1, 2, 9, 9\]"):
        lower(model, "onnxruntime")


def test_a_dynamic_batch_is_refused() -> None:
    model = hourglass((32, 32), ceil=False)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 32, 32]))
    with pytest.raises(ModelError, match=r"input 'image' has a dynamic batch: \['N', 3, 32, 32\]"):
        lower(model, "tensorrt")
