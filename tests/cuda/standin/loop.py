"""``python -m tests.cuda.standin.loop [host]``: the whole GPU loop on the real pycuda and a driver without a GPU; or
what its calls cost on the host. Needs pycuda, and the driver of ``tests.cuda.standin.build(FOLDER)`` in
LD_LIBRARY_PATH.
"""

from __future__ import annotations

import ctypes
import threading
import time

import numpy as np
import onnxruntime

from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.backends.tensorrt import Spec, TensorRTBackend
from edge_segnet.core.types import Frame, Segmentation
from edge_segnet.cuda.driver import PycudaDriver
from edge_segnet.cuda.interface import Memory
from edge_segnet.graph.card import OnnxModel
from edge_segnet.graph.lower import lower
from tests.conftest import picture
from tests.support.models import tiny_model

ELF = b"\x7fELF for no GPU"


class HostNetwork:
    """ONNX Runtime on the addresses that pycuda gave out."""

    def __init__(self, onnx_model: OnnxModel) -> None:
        graph = lower(onnx_model.proto, "tensorrt").model.SerializeToString()
        self._session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        self._shape = (1, onnx_model.card.size[1], onnx_model.card.size[0], 3)

    def bind(self, frame: int, logits: int) -> None:
        count = int(np.prod(self._shape))
        self._frame = np.ctypeslib.as_array((ctypes.c_uint8 * count).from_address(frame)).reshape(self._shape)
        self._logits = logits

    def enqueue(self, stream: int) -> None:
        assert stream
        logits = self._session.run(["logits"], {"frame": self._frame})[0]
        ctypes.memmove(self._logits, logits.ctypes.data, logits.nbytes)

    def close(self) -> None:
        del self._frame


class FreeNetwork(HostNetwork):
    """Costs nothing and writes nothing."""

    def enqueue(self, stream: int) -> None:
        assert stream


def elsewhere(backend: TensorRTBackend, frame: Frame) -> Segmentation:
    """The same call from another thread."""
    found: list[Segmentation] = []
    thread = threading.Thread(target=lambda: found.append(backend.infer([frame])[0]))
    thread.start()
    thread.join()
    return found[0]


def main() -> None:
    """Prints "good" if labels, threads and memory are right."""
    library = ctypes.CDLL("libcuda.so.1")
    onnx_model = tiny_model()
    cpu = OnnxBackend(onnx_model)
    spec = Spec(onnx_model.card.name, onnx_model.card.classes, onnx_model.card.size, onnx_model.card.fit, "fp32")
    choices: tuple[Memory, ...] = ("auto", "pinned", "mapped")
    for memory in choices:
        backend = TensorRTBackend(spec, HostNetwork(onnx_model), PycudaDriver(), ELF, memory)
        for seed in range(5):
            frame = Frame(picture(64, 48, seed), None, seed, 0, 0.0, "test")
            wanted = cpu.infer([frame])[0]
            for found in (backend.infer([frame])[0], elsewhere(backend, frame)):
                assert np.array_equal(found.labels, wanted.labels) and np.array_equal(found.counts, wanted.counts)
        closer = threading.Thread(target=backend.close)
        closer.start()
        closer.join()
        assert library.standin_allocations() == 0, library.standin_allocations()
        assert library.standin_retained() == 0
    print("good")  # noqa: T201


def host_ms() -> None:
    """Prints the median milliseconds of a frame whose network and decode cost nothing to speak of."""
    onnx_model = tiny_model(size=(32, 32))
    spec = Spec(onnx_model.card.name, onnx_model.card.classes, onnx_model.card.size, onnx_model.card.fit, "fp32")
    backend = TensorRTBackend(spec, FreeNetwork(onnx_model), PycudaDriver(), ELF, "pinned")
    frame, times = Frame(picture(32, 32), None, 0, 0, 0.0, "test"), []
    for _ in range(5000):
        started = time.perf_counter()
        backend.infer([frame])
        times.append(1e3 * (time.perf_counter() - started))
    print(sorted(times)[2500])  # noqa: T201
    backend.close()


if __name__ == "__main__":
    import sys

    host_ms() if "host" in sys.argv else main()
