"""Weighted means of networks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper

from edge_segnet.core.classes import CAMVID_11, CITYSCAPES_19
from edge_segnet.core.errors import ModelError
from edge_segnet.graph import card as cards
from edge_segnet.graph.build import build_model
from edge_segnet.graph.model_files import OnnxModel
from tests.support.models import SIZE, tiny_architecture, tiny_model, tiny_weights
from tools.mix import mixed


def network(seed: int) -> OnnxModel:
    architecture = tiny_architecture(len(CAMVID_11))
    return cards.attach(
        build_model(architecture, tiny_weights(architecture, seed), SIZE), name="tiny", classes=CAMVID_11
    )


def kernels(model: OnnxModel) -> dict[str, NDArray[np.float32]]:
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.proto.graph.initializer}
    return {name: array for name, array in arrays.items() if array.dtype == np.float32}


def test_a_share_of_each() -> None:
    one, other = network(1), network(2)
    before = kernels(other)
    made = kernels(mixed(one, other, 0.25))
    for name, mine in kernels(one).items():
        assert np.allclose(made[name], 0.75 * mine + 0.25 * before[name], atol=1e-6)
    assert all(np.array_equal(before[name], array) for name, array in kernels(other).items())


def test_the_ends_are_the_two_themselves() -> None:
    one, other = network(1), network(2)
    for share, end in ((0.0, one), (1.0, other)):
        made = kernels(mixed(one, other, share))
        assert all(np.array_equal(made[name], array) for name, array in kernels(end).items())


def test_another_network_is_refused() -> None:
    with pytest.raises(ModelError, match=r"in one model|not the same network"):
        mixed(network(1), tiny_model(CITYSCAPES_19), 0.5)
