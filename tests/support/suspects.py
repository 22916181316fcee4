"""Models that a service should not keep: tiny, and each wrong in its own way, some only on bright pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from edge_segnet.core.classes import CAMVID_12
from edge_segnet.graph import card as cards
from edge_segnet.graph.model_files import OnnxModel
from tests.support.models import tiny_model

BRIGHT = 180.0
"""Grey level; noise and the stored picture are darker."""
HEAVY = 256
"""Channels of a convolution that takes tens of milliseconds on one core."""


def _save(model: OnnxModel, path: Path) -> Path:
    onnx.checker.check_model(model.proto)
    cards.save(model, path)
    return path


def good(path: Path) -> Path:
    """Sees what the tiny model sees, in another file."""
    return _save(tiny_model(licence="another file"), path)


def wrong_labels(path: Path) -> Path:
    """As if it had been trained on labels that are shifted by one class."""
    model = tiny_model(licence="shifted")
    for tensor in model.proto.graph.initializer:
        if tensor.name.startswith("conv1_D"):
            values = np.roll(numpy_helper.to_array(tensor), 1, axis=0)
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return _save(model, path)


def _plus(model: OnnxModel, nodes: list[onnx.NodeProto], weights: dict[str, NDArray[Any]]) -> OnnxModel:
    """Its logits, and ``extra`` [1,1,1,1], which the nodes make of ``mean``, the picture's mean grey level."""
    graph = model.proto.graph
    for node in graph.node:
        node.output[:] = ["plain" if name == "logits" else name for name in node.output]
    known = [info for info in graph.value_info if info.name not in ("plain", "logits")]
    del graph.value_info[:]
    graph.value_info.extend(known)
    graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in weights.items())
    graph.node.extend(
        [
            helper.make_node("Cast", ["frame"], ["as_float"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["as_float"], ["mean"], keepdims=1),
            *nodes,
            helper.make_node("Add", ["plain", "extra"], ["logits"]),
        ]
    )
    return model


def no_numbers(path: Path) -> Path:
    """The square root of a negative number, where the picture is bright."""
    nodes = [helper.make_node("Sub", ["bright", "mean"], ["left"]), helper.make_node("Sqrt", ["left"], ["root"])]
    nodes.append(helper.make_node("Mul", ["root", "nought"], ["extra"]))
    weights = {"bright": np.float32(BRIGHT).reshape(1, 1, 1, 1), "nought": np.zeros((1, 1, 1, 1), np.float32)}
    return _save(_plus(tiny_model(licence="no numbers"), nodes, weights), path)


def slow(path: Path) -> Path:
    """Three more convolutions whose result is of no account, where the picture is bright."""
    rng = np.random.default_rng(0)
    weights = {
        "bright": np.float32(BRIGHT).reshape(1, 1, 1, 1),
        "nought": np.zeros((1, 1, 1, 1), np.float32),
        "scalar": np.zeros(0, np.int64),
        "widen": rng.normal(0, 0.1, (HEAVY, 3, 3, 3)).astype(np.float32),
        "heavy": rng.normal(0, 0.01, (HEAVY, HEAVY, 3, 3)).astype(np.float32),
    }
    last, heavy = "wide", []
    for number in range(3):
        heavy.append(helper.make_node("Conv", [last, "heavy"], [f"heavy{number}"], pads=[1, 1, 1, 1]))
        last = f"heavy{number}"
    heavy = [
        helper.make_node("Transpose", ["as_float"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "widen"], ["wide"], pads=[1, 1, 1, 1]),
        *heavy,
        helper.make_node("ReduceMean", [last], ["all"], keepdims=1),
        helper.make_node("Mul", ["all", "nought"], ["then"]),
    ]
    shape = [1, 1, 1, 1]
    branches = {
        "then_branch": helper.make_graph(
            heavy, "then", [], [helper.make_tensor_value_info("then", TensorProto.FLOAT, shape)]
        ),
        "else_branch": helper.make_graph(
            [helper.make_node("Identity", ["nought"], ["else"])],
            "else",
            [],
            [helper.make_tensor_value_info("else", TensorProto.FLOAT, shape)],
        ),
    }
    nodes = [
        helper.make_node("Greater", ["mean", "bright"], ["is_bright"]),
        helper.make_node("Reshape", ["is_bright", "scalar"], ["condition"]),
        helper.make_node("If", ["condition"], ["extra"], **branches),
    ]
    return _save(_plus(tiny_model(licence="slow"), nodes, weights), path)


def other_classes(path: Path) -> Path:
    """Twelve of them."""
    return _save(tiny_model(CAMVID_12), path)
