"""Index pooling with windows other than 2x2/2, ENet's 3x3/2 above all, against the definition, in every runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto

from edge_segnet.graph.lower import Target, lower
from tests.graph import literal
from tests.graph.runtimes import RUNNERS, run_onnxruntime
from tests.support.nets import Sketch, tensor

KINDS = [(3, 2, 1), (3, 2, 0), (3, 1, 1), (2, 1, 0), (3, 3, 0), (4, 2, 1), (5, 3, 2)]
"""Kernel, stride, padding."""


def pooled(shape: tuple[int, ...], kind: tuple[int, int, int], ceil: bool) -> onnx.ModelProto:
    """x, v -> v at the places of x's maxima: what is written back differs from what was pooled."""
    kernel, stride, pad = kind
    net = Sketch()
    given: dict[str, Any] = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
    net.pool("x", "p", ceil_mode=int(ceil), **given)
    values = net.node("Mul", ["p", net.const("factor", FACTORS[: shape[1]])], "v")
    net.nodes[-1].input[0] = "p"
    indices = net.const("shape", np.array(shape, np.int64))
    net.node("MaxUnpool", [values, "p.indices", indices], "y", **given)
    return net.model(tensor("x", list(shape)), tensor("y", list(shape)))


FACTORS = np.array([3, -1, 2, 5], np.float32).reshape(-1, 1, 1)


def defined(image: NDArray[np.float32], kind: tuple[int, int, int], ceil: bool) -> NDArray[Any]:
    """The same by the definition: windows in row order write one after the other, the last one stays."""
    maxima, places = literal.pool(image, ceil, *kind)
    return literal.unpool(maxima * FACTORS[: image.shape[1]], places, list(image.shape))


def ties(shape: tuple[int, ...], seed: int = 0) -> NDArray[np.float32]:
    """Few values, so that most windows have several maxima, and most maxima several windows."""
    return np.random.default_rng(seed).integers(-1, 3, shape).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(12, 18), (13, 17)])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("target", ["onnxruntime", "tensorrt"])
def test_any_windows_are_exact(kind: tuple[int, int, int], size: tuple[int, int], ceil: bool, target: Target) -> None:
    image = ties((1, 4, *size))
    lowered = lower(pooled(image.shape, kind, ceil), target).model
    np.testing.assert_array_equal(run_onnxruntime(lowered, image), defined(image, kind, ceil))


@pytest.mark.parametrize("target", ["openvino", "opencv"])
@pytest.mark.parametrize("size", [(12, 18), (13, 17)])
def test_enet_pooling_is_exact_in_other_runtimes(target: Target, size: tuple[int, int]) -> None:
    image = ties((1, 4, *size))
    lowered = lower(pooled(image.shape, (3, 2, 1), ceil=False), target).model
    np.testing.assert_array_equal(RUNNERS[target](lowered, image), defined(image, (3, 2, 1), ceil=False))


@settings(max_examples=25, deadline=None)
@given(st.integers(4, 23), st.integers(4, 23), st.integers(0, 2**16), st.sampled_from(KINDS), st.booleans())
def test_random_maps(height: int, width: int, seed: int, kind: tuple[int, int, int], ceil: bool) -> None:
    if kind[0] == 5 and min(height, width) < 5:
        return
    image = ties((1, 2, height, width), seed)
    lowered = lower(pooled(image.shape, kind, ceil), "tensorrt").model
    np.testing.assert_array_equal(run_onnxruntime(lowered, image), defined(image, kind, ceil))


def test_half_precision_keeps_who_won() -> None:
    image = ties((1, 4, 13, 17))
    lowered = lower(pooled(image.shape, (3, 2, 1), ceil=False), "tensorrt", precision="fp16").model
    assert lowered.graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT16
    np.testing.assert_array_equal(run_onnxruntime(lowered, image), defined(image, (3, 2, 1), ceil=False))


def test_what_cannot_be_rewritten_runs_where_the_operators_are() -> None:
    net = Sketch()
    net.pool("x", "p", dilations=[2, 2], kernel_shape=[2, 2], strides=[1, 1])
    indices = net.const("shape", np.array([1, 1, 8, 8], np.int64))
    net.node("MaxUnpool", ["p", "p.indices", indices], "y", kernel_shape=[2, 2], strides=[1, 1])
    model = net.model(tensor("x", [1, 1, 8, 8]), tensor("y", [1, 1, 8, 8]))
    image = ties((1, 1, 8, 8))
    np.testing.assert_array_equal(
        run_onnxruntime(lower(model, "onnxruntime").model, image), run_onnxruntime(model, image)
    )
