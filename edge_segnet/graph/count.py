"""What a network costs: parameters and multiply-accumulates, counted on the graph."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import onnx

from edge_segnet.graph.view import View, attributes


@dataclass(frozen=True)
class Cost:
    """``parameters`` of the counted layers (biases included) and ``macs`` of one run of the graph."""

    parameters: int
    macs: int


def count(model: onnx.ModelProto) -> Cost:
    """Count Conv, ConvTranspose, Gemm and MatMul; everything else costs little beside them and is left out.

    A multiply-accumulate is one MAC (papers that print FLOP count two); biases are not counted as work.

    Raises:
        ModelError: a layer's shape is dynamic or unknown.
    """
    view = View(model)
    macs = 0
    weights: dict[str, int] = {}
    for node in model.graph.node:
        work = _macs(view, node)
        if work is None:
            continue
        macs += work
        for name in node.input[1:]:
            if name and view.constant(name) is not None:
                weights[name] = prod(view.shape(name))
    return Cost(sum(weights.values()), macs)


def _macs(view: View, node: onnx.NodeProto) -> int | None:
    """Multiply-accumulates of a node; None for operators that are not counted."""
    match node.op_type:
        case "Conv":
            weight = view.shape(node.input[1])  # [O, I/groups, kh, kw]
            return prod(view.shape(node.output[0])) * prod(weight[1:])
        case "ConvTranspose":
            weight = view.shape(node.input[1])  # [I, O/groups, kh, kw]
            return prod(view.shape(node.input[0])) * prod(weight[1:])
        case "Gemm":
            left = view.shape(node.input[0])
            inner = left[0] if attributes(node).get("transA", 0) else left[1]
            return prod(view.shape(node.output[0])) * inner
        case "MatMul":
            return prod(view.shape(node.output[0])) * view.shape(node.input[0])[-1]
        case _:
            return None
