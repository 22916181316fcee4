"""Index pooling spelled out, loop by loop, as the definition says it; and a NumPy evaluator that uses it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

Array = NDArray[Any]


def pool(image: Array, ceil: bool, kernel: int = 2, stride: int = 2, pad: int = 0) -> tuple[Array, NDArray[np.int64]]:
    """Maxima of [N,C,H,W] and their flat places; the first in row order wins, windows end at the border. In ceil mode
    there is one more window where the map is not covered, if it starts inside the map or its padding.
    """
    batch, channels, height, width = image.shape
    rows, columns = (_windows(side, kernel, stride, pad, ceil) for side in (height, width))
    maxima = np.zeros((batch, channels, rows, columns), image.dtype)
    places = np.zeros(maxima.shape, np.int64)
    for n, c, i, j in np.ndindex(*maxima.shape):
        best: tuple[Any, int] | None = None
        for y in range(max(stride * i - pad, 0), min(stride * i - pad + kernel, height)):
            for x in range(max(stride * j - pad, 0), min(stride * j - pad + kernel, width)):
                if best is None or image[n, c, y, x] > best[0]:
                    best = (image[n, c, y, x], ((n * channels + c) * height + y) * width + x)
        assert best is not None
        maxima[n, c, i, j], places[n, c, i, j] = best
    return maxima, places


def _windows(side: int, kernel: int, stride: int, pad: int, ceil: bool) -> int:
    room = side + 2 * pad - kernel
    count = (-(-room // stride) if ceil else room // stride) + 1
    return count - (ceil and (count - 1) * stride >= side + pad)


def unpool(values: Array, places: NDArray[np.int64], shape: list[int]) -> Array:
    """Every value at its place, zeros elsewhere."""
    flat = np.zeros(int(np.prod(shape)), values.dtype)
    for value, place in zip(values.ravel(), places.ravel(), strict=True):
        flat[place] = value
    return flat.reshape(shape)


class MaxPool(OpRun):
    """Takes the place of onnx's own implementation."""

    def _run(self, x: Array, ceil_mode: int | None = None, **_: Any) -> tuple[Array, NDArray[np.int64]]:
        return pool(x, bool(ceil_mode))


class MaxUnpool(OpRun):
    def _run(self, x: Array, places: Array, shape: Array, **_: Any) -> tuple[Array]:
        return (unpool(x, places, shape.tolist()),)


def run_literal(model: onnx.ModelProto, picture: Array) -> Array:
    """First output of a native graph, computed in NumPy."""
    evaluator = ReferenceEvaluator(model, new_ops=[MaxPool, MaxUnpool])
    results: Any = evaluator.run(None, {model.graph.input[0].name: picture})
    return np.asarray(results[0])
