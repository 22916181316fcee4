"""Costs, against sums done by hand and against the published figures."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import helper

from edge_segnet.core.errors import ModelError
from edge_segnet.graph.count import Cost, count
from edge_segnet.graph.lower import lower
from tests.support.nets import Sketch, hourglass, random_model, tensor


def test_a_small_net_by_hand() -> None:
    net = Sketch()
    net.conv("x", "c", (3, 8))
    weight = net.const("w", np.zeros((8, 2, 2, 2), np.float32))
    net.node("ConvTranspose", ["c", weight], "t", strides=[2, 2], group=2)
    net.node("GlobalAveragePool", ["t"], "mean")
    net.node("Flatten", ["mean"], "flat")
    gemm = net.node("Gemm", ["flat", net.const("g", np.zeros((4, 5), np.float32))], "gemm")
    net.node("MatMul", [gemm, net.const("m", np.zeros((5, 7), np.float32))], "y")
    cost = count(net.model(tensor("x", [1, 3, 6, 10]), tensor("y", [1, 7])))
    convolution, transposed = 6 * 10 * 8 * 3 * 9, 6 * 10 * 8 * 2 * 4
    assert cost == Cost(3 * 8 * 9 + 8 + 8 * 2 * 4 + 20 + 35, convolution + transposed + 20 + 35)


def test_the_family_has_its_published_size() -> None:
    full = count(random_model("segnet", (480, 360), classes=12))
    assert full.parameters == pytest.approx(29.4e6, rel=0.01)  # SegNet, TPAMI 2017, table 6: 29.45 M
    assert full.macs == pytest.approx(106.7e9, rel=0.01)
    assert count(random_model("segnet-basic", (480, 360), classes=12)).parameters == pytest.approx(1.42e6, rel=0.01)
    assert count(random_model("segnet-lite", (480, 360), classes=11)).macs <= 4e9


def test_lowering_costs_no_multiplications() -> None:
    model = random_model("segnet-lite", (75, 61))
    costs = {count(lower(model, target).model) for target in ("onnxruntime", "tensorrt")}
    assert costs == {count(model)}


def test_dynamic_shapes_are_refused() -> None:
    model = hourglass((32, 32), ceil=False)
    model.graph.input[0].CopyFrom(helper.make_tensor_value_info("image", 1, ["N", 3, "H", "W"]))
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    with pytest.raises(ModelError):
        count(model)
