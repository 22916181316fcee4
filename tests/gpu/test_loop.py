"""The loop end to end on a GPU: with a TensorRT that runs on it, and with torch in TensorRT's place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_segnet.backends.gpu_slots import Spec
from edge_segnet.backends.model import BackendOptions, open_backend
from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.backends.tensorrt import Depth, GpuOptions, TensorRTBackend
from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Frame, Image
from edge_segnet.cuda.interface import Driver, DriverKind, Memory
from edge_segnet.graph import card as cards
from edge_segnet.street import Street
from tests.gpu.conftest import open_gpu
from tests.support.command import edge_segnet


def street(size: tuple[int, int], count: int = 4) -> list[Image]:
    scene = Street(size, seed=5)
    return [scene.render(40 * number)[0] for number in range(count)]


def frame_of(image: Image) -> Frame:
    return Frame(image, None, 0, 0, 0.0, "test")


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("memory", ["pinned", "mapped"])
def test_tensorrt(
    which: DriverKind, memory: Memory, depth: Depth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_gpu(which).close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    done = edge_segnet("build-engine", "segnet-lite", "-o", "engines/segnet-lite.engine", folder=tmp_path)
    if done.code:
        pytest.skip(f"no TensorRT builds for this card: {done.err.splitlines()[-1]}")
    onnx_model = cards.load("segnet-lite")
    try:
        backend = open_backend(onnx_model, "tensorrt", BackendOptions(memory=memory, driver=which, depth=depth))
    except ModelError as error:
        if "compute capability" in str(error):
            pytest.skip(f"no TensorRT runs on this card: {error}")
        raise
    cpu = OnnxBackend(onnx_model)
    for image in street(onnx_model.card.size):
        found, wanted = backend.infer([frame_of(image)])[0], cpu.infer([frame_of(image)])[0]
        assert np.mean(found.labels == wanted.labels) >= 0.99
        assert found.counts.sum() == image.shape[0] * image.shape[1] and found.counts[-1] == 0
        assert min(found.stages_ms.values()) >= 0
    backend.close()


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("memory", ["pinned", "mapped"])
def test_torch_in_the_place_of_tensorrt(memory: Memory, depth: Depth, driver: Driver, cubin: bytes) -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    from tests.gpu.torch_network import TorchNetwork

    onnx_model = cards.load("segnet-lite")
    with driver.current():
        network = TorchNetwork(onnx_model)
    spec = Spec(onnx_model.card.name, onnx_model.card.classes, onnx_model.card.size, onnx_model.card.fit, "fp16")
    backend = TensorRTBackend(spec, network, driver, cubin, GpuOptions(memory, depth=depth))
    cpu, images = OnnxBackend(onnx_model), street(onnx_model.card.size)
    tickets = [backend.submit([frame_of(image)]) for image in images]
    for image, ticket in zip(images, tickets, strict=True):
        found, wanted = ticket.result()[0], cpu.infer([frame_of(image)])[0]
        assert np.mean(found.labels == wanted.labels) >= 0.99 and found.counts[-1] == 0
    backend.close()
