"""The fork's layers as its source defines them, in NumPy: slow, literal, and independent of the importer.

Convolutions are one matrix product per kernel tap (BLAS); pooling and unpooling go window by window. One thing is not
literal: where Caffe would use the sizes written in an Upsample layer, the size before the paired pooling is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.graph.caffe.layouts import Layout, Op

Array = NDArray[Any]


def run(net: Layout, picture: Array, before_bn: Callable[[Op, Array], None] | None = None) -> Array:
    """Scores [C,H,W] of a picture uint8 [H,W,3] BGR: the last map before Softmax or ArgMax. ``before_bn`` is shown
    what every BN layer reads.
    """
    blobs: dict[str, Any] = {"data": np.ascontiguousarray(picture.transpose(2, 0, 1)).astype(np.float32)}
    reads = {op.name: op.bottoms for op in net.ops}
    last = ""
    for index, op in enumerate(net.ops):
        if op.kind in ("Softmax", "ArgMax"):
            break
        if op.kind == "BN" and before_bn is not None:
            before_bn(op, blobs[op.bottoms[0]])
        results = _layer(op, [blobs[name] for name in op.bottoms], net.weights.get(op.name, []))
        blobs.update(zip(op.tops, results, strict=True))
        last = op.tops[0]
        later = {name for other in net.ops[index + 1 :] for name in reads[other.name]}
        for name in [name for name in blobs if name not in later and name != last]:
            del blobs[name]
    return np.asarray(blobs[last])


def _layer(op: Op, inputs: list[Any], weights: list[Array]) -> list[Any]:
    x = inputs[0]
    match op.kind:
        case "Convolution":
            return [convolve(x, weights, op.settings["pad"], op.settings["stride"], op.settings["dilation"])]
        case "Deconvolution":
            return [transposed(x, weights, op.settings["stride"])]
        case "BN":
            return [x * weights[0].reshape(-1, 1, 1) + weights[1].reshape(-1, 1, 1)]
        case "ReLU":
            return [np.maximum(x, 0)]
        case "PReLU":
            return [np.maximum(x, 0) + weights[0].reshape(-1, 1, 1) * np.minimum(x, 0)]
        case "LRN":
            return [normalise(x)]
        case "Dropout" | "Python":
            return [x]
        case "Pooling":
            maxima, mask = pool(x)
            return [maxima, (mask, x.shape)][: len(op.tops)]
        case "Upsample":
            return [upsample(x, *inputs[1])]
        case "Eltwise":
            return [x + inputs[1]]
        case "Concat":
            return [np.concatenate(inputs)]
    raise NotImplementedError(op.kind)


def convolve(x: Array, weights: list[Array], pad: int, stride: int, dilation: int) -> Array:
    """Output size floor((H + 2p - d(k-1) - 1)/s) + 1; padding is zeros on both sides of both axes."""
    weight = weights[0]
    outputs, _, rows, columns = weight.shape
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    height = (padded.shape[1] - dilation * (rows - 1) - 1) // stride + 1
    width = (padded.shape[2] - dilation * (columns - 1) - 1) // stride + 1
    result = np.zeros((outputs, height * width), np.float32)
    for row in range(rows):
        for column in range(columns):
            top, left = row * dilation, column * dilation
            seen = padded[
                :, top : top + (height - 1) * stride + 1 : stride, left : left + (width - 1) * stride + 1 : stride
            ]
            result += weight[:, :, row, column] @ seen.reshape(len(seen), -1)
    if len(weights) > 1:
        result += weights[1][:, None]
    return result.reshape(outputs, height, width)


def transposed(x: Array, weights: list[Array], stride: int) -> Array:
    """Every input value spreads its kernel over the output."""
    weight = weights[0]  # [I, O, rows, columns]
    _, outputs, rows, columns = weight.shape
    _, height, width = x.shape
    result = np.zeros((outputs, stride * (height - 1) + rows, stride * (width - 1) + columns), np.float32)
    for row in range(rows):
        for column in range(columns):
            part = (weight[:, :, row, column].T @ x.reshape(len(x), -1)).reshape(outputs, height, width)
            bottom, right = row + stride * (height - 1) + 1, column + stride * (width - 1) + 1
            result[:, row:bottom:stride, column:right:stride] += part
    return result + weights[1].reshape(-1, 1, 1)


def normalise(x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75) -> Array:
    """x / (1 + alpha/size * sum of squares of up to ``size`` neighbouring channels)^beta."""
    squares = np.stack([(x[max(0, c - size // 2) : c + size // 2 + 1] ** 2).sum(0) for c in range(len(x))])
    return np.asarray(x / (1 + alpha / size * squares) ** beta, np.float32)


def pool(x: Array) -> tuple[Array, Array]:
    """2x2/2 in ceil mode: windows are clipped at the border, the mask counts within the plane, and only a strictly
    greater value takes the place of an earlier one. Window by window, all channels at once.
    """
    channels, height, width = x.shape
    rows, columns = -(-(height - 2) // 2) + 1, -(-(width - 2) // 2) + 1
    maxima = np.full((channels, rows, columns), -np.finfo(np.float32).max, np.float32)
    mask = np.full((channels, rows, columns), -1, np.int64)
    for i in range(rows):
        for j in range(columns):
            best, place = maxima[:, i, j], mask[:, i, j]
            for h in range(2 * i, min(2 * i + 2, height)):
                for w in range(2 * j, min(2 * j + 2, width)):
                    greater = x[:, h, w] > best
                    best[greater] = x[greater, h, w]
                    place[greater] = h * width + w
    return maxima, mask


def upsample(x: Array, mask: Array, shape: tuple[int, int, int]) -> Array:
    """Zeros, with every value at its place in its own plane."""
    result = np.zeros((shape[0], shape[1] * shape[2]), np.float32)
    channels = np.arange(len(x))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            result[channels, mask[:, i, j]] = x[:, i, j]
    return result.reshape(shape)
