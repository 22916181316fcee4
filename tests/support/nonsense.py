"""Networks that compute nonsense: weights that are no numbers, outputs that are none for some pictures, one class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from edge_segnet.graph import card as cards
from edge_segnet.graph.model_files import OnnxModel
from tests.support.models import tiny_model

DARK = 60.0
"""Grey level: the mean of a picture below which ``dark_is_nan`` computes no numbers."""


def _weight(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    found: onnx.TensorProto = next(each for each in model.graph.initializer if each.name.startswith(name))
    return found


def nan_weights(path: Path) -> Path:
    """One convolution's weights are NaN."""
    proto = tiny_model().proto
    weight = _weight(proto, "conv2")
    values = numpy_helper.to_array(weight).copy()
    values.reshape(-1)[:3] = np.nan
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    path.write_bytes(proto.SerializeToString())
    return path


def dark_is_nan(path: Path) -> Path:
    """Logits plus a logarithm of the picture's mean less ``DARK``: finite weights, and no numbers for dark pictures."""
    proto = tiny_model().proto
    graph = proto.graph
    for node in graph.node:
        node.output[:] = ["raw" if name == "logits" else name for name in node.output]
    for name, value in {"dark": DARK, "little": 1e-6}.items():
        graph.initializer.append(helper.make_tensor(name, TensorProto.FLOAT, [1, 1, 1, 1], [value]))
    graph.node.extend(
        [
            helper.make_node("Cast", ["frame"], ["seen"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["seen"], ["mean"], axes=[1, 2, 3], keepdims=1),
            helper.make_node("Sub", ["mean", "dark"], ["above"]),
            helper.make_node("Log", ["above"], ["log"]),
            helper.make_node("Mul", ["log", "little"], ["added"]),
            helper.make_node("Add", ["raw", "added"], ["logits"]),
        ]
    )
    cards.save(OnnxModel(cards.read(proto, "dark"), proto), path)
    return path


def one_class(path: Path) -> Path:
    """The last bias decides, whatever is seen: every pixel is Building."""
    proto = tiny_model().proto
    bias = _weight(proto, "conv1_D.bias")
    values = numpy_helper.to_array(bias).copy()
    values.reshape(-1)[1] = 1e6
    bias.CopyFrom(numpy_helper.from_array(values, bias.name))
    path.write_bytes(proto.SerializeToString())
    return path
