"""A picture in numbers, as the network sees it: the mean of its deepest map, as one more output."""

from __future__ import annotations

from typing import Final

import onnx
from onnx import TensorProto, helper

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.view import View

FEATURES: Final = "features"
"""float32 [1,K,1,1]: the global average of the encoder's last map."""


def append_features(model: onnx.ModelProto) -> int:
    """Add the output ``FEATURES`` to a graph, in place; how many numbers it has.

    The deepest map is the smallest one that still has a width and a height; of those, the last: what the encoder hands
    to the decoder.

    Raises:
        ModelError: the graph has no such map.
    """
    name, channels = _deepest(View(model))
    model.graph.node.append(helper.make_node("GlobalAveragePool", [name], [FEATURES], name=FEATURES))
    model.graph.output.append(helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, [1, channels, 1, 1]))
    return channels


def _deepest(view: View) -> tuple[str, int]:
    best: tuple[int, str, int] | None = None
    for node in view.graph.node:
        for name in node.output:
            dims = view.dims(name) if name and view.elem_type(name) == TensorProto.FLOAT else None
            if dims is None or len(dims) != 4 or not all(isinstance(dim, int) for dim in dims):
                continue
            _, channels, height, width = (int(dim) for dim in dims)
            if min(height, width) > 1 and (best is None or height * width <= best[0]):
                best = (height * width, name, channels)
    if best is None:
        raise ModelError("no map of the network has a known size", hint="export the model with static shapes")
    return best[1], best[2]
