"""The real network in FP16 by torch, in the place of TensorRT: reads the uploaded frame and writes the logits that the
loop decodes, on the loop's own stream and in its primary context. Its figures are torch's, not TensorRT's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from onnx import numpy_helper

from edge_segnet.backends.gpu_slots import Start
from edge_segnet.graph import segnet
from edge_segnet.graph.model_files import OnnxModel
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
        self._streams: dict[int, Any] = {}
        self._pool: Any = torch.cuda.graph_pool_handle()
        """The allocator's memory of all captures: a graph holds addresses in it."""

    def bind(self, frame: int, logits: int, count: int) -> Start:
        frames = torch.as_tensor(_Memory(frame, (count, *self._shapes[0]), "|u1"), device="cuda")
        found = torch.as_tensor(_Memory(logits, (count, *self._shapes[1]), "<f2"), device="cuda")

        def start(stream: int) -> None:
            if stream not in self._streams:
                self._streams[stream] = torch.cuda.ExternalStream(stream)  # type: ignore[no-untyped-call]
            with torch.cuda.stream(self._streams[stream]), torch.inference_mode(), self._allocating():
                images = normalise(frames.permute(0, 3, 1, 2).float(), self._network.architecture)
                found.copy_(self._network(images.half()))

        return start

    @contextmanager
    def _allocating(self) -> Iterator[None]:
        """While somebody else captures, torch's allocator must be told, or it would ask the GPU for memory."""
        if not torch.cuda.is_current_stream_capturing():
            yield
            return
        device = torch.cuda.current_device()
        torch._C._cuda_beginAllocateCurrentThreadToPool(device, self._pool)
        try:
            yield
        finally:
            torch._C._cuda_endAllocateToPool(device, self._pool)

    def close(self) -> None:
        del self._network, self._streams, self._pool
