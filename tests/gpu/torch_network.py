"""The real network in FP16 by torch, in the place of TensorRT: reads the uploaded frame and writes the logits that the
loop decodes, on the loop's own stream and in its primary context. Its figures are torch's, not TensorRT's.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from onnx import numpy_helper

from edge_segnet.graph import segnet
from edge_segnet.graph.card import OnnxModel
from edge_segnet.train.model import SegNet, normalise


class _Memory:
    """Somebody else's memory, for ``torch.as_tensor``."""

    def __init__(self, address: int, shape: tuple[int, ...], kind: str) -> None:
        self.__cuda_array_interface__ = {"data": (address, False), "shape": shape, "typestr": kind, "version": 3}


def load(onnx_model: OnnxModel) -> SegNet:
    """The model's folded weights in the torch module of its architecture, in float16 on the GPU."""
    name = str(onnx_model.card.provenance["architecture"])
    described = segnet.ARCHITECTURES[name](len(onnx_model.card.classes))
    plain = [
        dataclasses.replace(layer, batch_norm=False) if isinstance(layer, segnet.Conv) else layer
        for layer in described.layers
    ]
    network = SegNet(dataclasses.replace(described, layers=plain))
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx_model.proto.graph.initializer}
    with torch.no_grad():
        for conv in network.architecture.convolutions:
            block = network.block(conv.name).conv
            block.weight.copy_(torch.from_numpy(weights[f"{conv.name}.weight"].copy()))
            assert block.bias is not None
            block.bias.copy_(torch.from_numpy(weights[f"{conv.name}.bias"].copy()))
    return network.eval().half().cuda()


class TorchNetwork:
    """The ``Network`` of ``backends.tensorrt``."""

    def __init__(self, onnx_model: OnnxModel) -> None:
        self._network = load(onnx_model)
        (width, height), classes = onnx_model.card.size, len(onnx_model.card.classes)
        self._shapes = (height, width, 3), (classes, height, width)
        self._stream: Any = None

    def bind(self, frame: int, logits: int) -> None:
        self._frame = torch.as_tensor(_Memory(frame, self._shapes[0], "|u1"), device="cuda")
        self._logits = torch.as_tensor(_Memory(logits, self._shapes[1], "<f2"), device="cuda")

    def enqueue(self, stream: int) -> None:
        if self._stream is None:
            self._stream = torch.cuda.ExternalStream(stream)  # type: ignore[no-untyped-call]
        with torch.cuda.stream(self._stream), torch.inference_mode():
            image = normalise(self._frame.permute(2, 0, 1)[None].float(), self._network.architecture)
            self._logits.copy_(self._network(image.half())[0])

    def close(self) -> None:
        del self._network, self._frame, self._logits
