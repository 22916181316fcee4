"""A model whose every frame takes seconds: the shipped one, with multiplications that its result depends on."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import edge_segnet

SHIPPED = Path(edge_segnet.__file__).parent / "models" / "segnet-lite.onnx"
SIDE = 1024


def slow_model(seconds: float) -> bytes:
    """Bytes of an .onnx that takes about so long on this machine."""
    one = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    one @ one  # the first one starts threads
    began = time.perf_counter()
    one @ one
    count = int(seconds / (time.perf_counter() - began)) + 1
    model = onnx.load(SHIPPED)
    kept = [
        entry for entry in model.metadata_props if "calibration" not in entry.key
    ]  # it is of the quick one's weights
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    graph = model.graph
    (output,) = graph.output
    for node in graph.node:
        node.output[:] = [f"{name}_quick" if name == output.name else name for name in node.output]
    graph.initializer.append(numpy_helper.from_array(one / SIDE, "slow_matrix"))
    graph.initializer.append(numpy_helper.from_array(np.zeros(1, np.float32), "slow_zero"))
    nodes = [helper.make_node("ReduceMean", [f"{output.name}_quick"], ["slow_mean"], keepdims=0)]
    nodes += [helper.make_node("Add", ["slow_matrix", "slow_mean"], ["slow_0"])]
    nodes += [helper.make_node("MatMul", [f"slow_{n}", "slow_matrix"], [f"slow_{n + 1}"]) for n in range(count)]
    nodes += [helper.make_node("ReduceMean", [f"slow_{count}"], ["slow_end"], keepdims=0)]
    nodes += [helper.make_node("Mul", ["slow_end", "slow_zero"], ["slow_nothing"])]
    nodes += [helper.make_node("Add", [f"{output.name}_quick", "slow_nothing"], [output.name])]
    graph.node.extend(nodes)
    assert output.type.tensor_type.elem_type == TensorProto.FLOAT
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())
