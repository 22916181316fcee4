"""``python -m tools.mix A.onnx B.onnx SHARE -o OUT.onnx``: the weighted mean of two networks, SHARE of it B's.

Weights between a network and what further training made of it are often better on strange pictures than either end
(Wortsman et al. 2022, arXiv 2109.01903 and 2203.05482). Both must have BatchNorm folded, as ``train`` writes them, and
B must have been trained from A: of two networks that learnt apart the mean is worth nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from edge_segnet.core.errors import EdgeSegnetError, ModelError
from edge_segnet.graph import card as cards
from edge_segnet.graph.model_files import OnnxModel


def mixed(first: OnnxModel, second: OnnxModel, share: float) -> OnnxModel:
    """``share`` (0..1) of ``second``, the rest of ``first``; without the calibration, which was neither's mean's.

    Raises:
        ModelError: they are not the same network.
    """
    theirs = {tensor.name: tensor for tensor in first.proto.graph.initializer}
    proto = onnx.ModelProto()
    proto.CopyFrom(second.proto)
    if [node.name for node in first.proto.graph.node] != [node.name for node in proto.graph.node]:
        raise ModelError("the two models are not the same network")
    for tensor in proto.graph.initializer:
        ours, other = numpy_helper.to_array(tensor), numpy_helper.to_array(theirs[tensor.name])
        if ours.shape != other.shape:
            raise ModelError(f"{tensor.name}: {list(other.shape)} in one model, {list(ours.shape)} in the other")
        if ours.dtype == np.float32:
            mean = ((1.0 - share) * other + share * ours).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(mean, tensor.name))
    card = second.card
    told = {**card.provenance, "mixed": {"with": first.sha256, "share": share}}
    return cards.attach(
        proto, name=card.name, classes=card.classes, fit=card.fit, licence=card.licence, provenance=told,
        void_output=card.void_output,
    )  # fmt: skip


def main() -> int:
    """Exit code as the program's."""
    parser = argparse.ArgumentParser(prog="python -m tools.mix", description=__doc__)
    parser.add_argument("first", metavar="A.onnx")
    parser.add_argument("second", metavar="B.onnx")
    parser.add_argument("share", type=float, metavar="SHARE", help="of B, 0 to 1")
    parser.add_argument("-o", dest="out", type=Path, required=True, metavar="OUT.onnx")
    arguments = parser.parse_args()
    try:
        cards.save(mixed(cards.load(arguments.first), cards.load(arguments.second), arguments.share), arguments.out)
    except EdgeSegnetError as error:
        print(f"tools.mix: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
