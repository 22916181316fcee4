"""Public layouts whose normalisations fit their weights, as training leaves them; made once per test run."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.graph.caffe import fork, layouts
from tests.graph.caffe.layouts import Layout, Op

SPARSE = 1.0
"""How far below zero the average activation lies, in standard deviations: a trained net's maps are mostly zeros, so
few maxima are near ties that rounding decides. (In a net without this, one flipped maximum in ten thousand changes a
thousandth of the labels, in any pair of correct float32 implementations.)
"""


def picture(size: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    """Soft colours with noise and without flat parts, uint8 [H,W,3]."""
    rng = np.random.default_rng(seed)
    soft = cv2.resize(rng.normal(128, 45, (9, 12, 3)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(soft + rng.normal(0, 8, soft.shape), 1, 254), np.uint8)


@lru_cache
def trained(name: str, size: tuple[int, int] = (240, 184)) -> Layout:
    """A layout by its function's name, with BN measured on a picture (as ``compute_bn_statistics.py`` does)."""
    net: Layout = getattr(layouts, name)()
    rng = np.random.default_rng(5)
    below = 0.0 if name == "enet" else SPARSE

    def measure(op: Op, x: NDArray[np.float32]) -> None:
        spread = np.maximum(x.std((1, 2)), 0.3 * x.std())
        scale = rng.uniform(0.8, 1.2, len(x)) / spread
        shift = -x.mean((1, 2)) * scale - below + rng.normal(0, 0.1, len(x))
        for blob, values in zip(net.weights[op.name], (scale, shift), strict=True):
            blob[:] = values.reshape(blob.shape)

    scores = fork.run(net, picture(size), before_bn=measure)
    classifier = next(op for op in reversed(net.ops) if op.name in net.weights)
    weight, bias = net.weights[classifier.name]  # every class gets its share of the pixels
    spread = scores.std((1, 2))
    weight /= spread.reshape((1, -1, 1, 1) if classifier.settings["transposed"] else (-1, 1, 1, 1))
    bias[:] = (bias - scores.mean((1, 2))) / spread
    return net
