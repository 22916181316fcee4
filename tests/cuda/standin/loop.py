"""``python -m tests.cuda.standin.loop DRIVER [host]``: the whole GPU loop on the real pycuda or cuda-bindings and a
driver without a GPU; or what its calls cost on the host. Needs the driver of ``tests.cuda.standin.build(FOLDER)`` in
LD_LIBRARY_PATH.
"""

from __future__ import annotations

import ctypes
import itertools
import threading
import time
from dataclasses import replace

import numpy as np
import onnxruntime

from edge_segnet.backends.gpu_slots import Spec, Start
from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.backends.tensorrt import Depth, GpuOptions, TensorRTBackend
from edge_segnet.core.types import Frame, Segmentation
from edge_segnet.cuda.choice import open_driver
from edge_segnet.cuda.interface import DriverKind, Memory
from edge_segnet.graph.lower import lower
from edge_segnet.graph.model_files import OnnxModel
from tests.conftest import picture
from tests.support.models import tiny_model

ELF = b"\x7fELF for no GPU"


class HostNetwork:
    """ONNX Runtime on the addresses that were given out, in the order of their stream."""

    def __init__(self, onnx_model: OnnxModel) -> None:
        graph = lower(onnx_model.proto, "tensorrt").model.SerializeToString()
        self._session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        self._shape = (1, onnx_model.card.size[1], onnx_model.card.size[0], 3)
        self._cuda = ctypes.CDLL("libcuda.so.1")

    def bind(self, frame: int, logits: int, count: int) -> Start:
        size = int(np.prod(self._shape))
        images = np.ctypeslib.as_array((ctypes.c_uint8 * (count * size)).from_address(frame))

        def work(_: object) -> None:
            found = [
                self._session.run(["logits"], {"frame": image})[0] for image in images.reshape(count, *self._shape)
            ]
            together = np.concatenate(found)
            ctypes.memmove(logits, together.ctypes.data, together.nbytes)

        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(work)

        def start(stream: int) -> None:
            assert self._cuda.cuLaunchHostFunc(ctypes.c_void_p(stream), function, None) == 0

        return start

    def close(self) -> None:
        del self._session


class FreeNetwork(HostNetwork):
    """Costs nothing and writes nothing."""

    def bind(self, frame: int, logits: int, count: int) -> Start:  # noqa: ARG002 - a network's interface
        return lambda stream: None  # noqa: ARG005


def elsewhere(backend: TensorRTBackend, frame: Frame) -> Segmentation:
    """The same call from another thread."""
    found: list[Segmentation] = []
    thread = threading.Thread(target=lambda: found.append(backend.infer([frame])[0]))
    thread.start()
    thread.join()
    return found[0]


def main(kind: DriverKind) -> None:
    """Prints "good" if labels, threads and memory are right."""
    library = ctypes.CDLL("libcuda.so.1")
    onnx_model = tiny_model()
    cpu = OnnxBackend(onnx_model)
    spec = Spec(onnx_model.card.name, onnx_model.card.classes, onnx_model.card.size, onnx_model.card.fit, "fp32")
    spec = replace(spec, max_batch=3)
    memories: tuple[Memory, ...] = ("auto", "pinned", "mapped")
    depths: tuple[Depth, ...] = (1, 2)
    for memory, depth, graphs in itertools.product(memories, depths, (False, True)):
        launched = library.standin_launches()
        driver = open_driver(kind)
        backend = TensorRTBackend(
            spec, HostNetwork(onnx_model), driver, ELF, GpuOptions(memory, kind, depth=depth, graphs=graphs)
        )
        assert library.standin_graphs() == (3 * depth if graphs and driver.graphs else 0)
        frames = [Frame(picture(64, 48, seed), None, seed, 0, 0.0, "test") for seed in range(5)]
        wanted = [cpu.infer([frame])[0] for frame in frames]
        same = [backend.infer([frame])[0] for frame in frames], [elsewhere(backend, frame) for frame in frames]
        tickets = [backend.submit(frames[:1]), backend.submit(frames[1:4]), backend.submit(frames[4:])]
        for found in (*same, [one for ticket in tickets for one in ticket.result()]):
            for one, other in zip(found, wanted, strict=True):
                assert np.array_equal(one.labels, other.labels) and np.array_equal(one.counts, other.counts)
        assert (library.standin_launches() > launched) == (graphs and driver.graphs)
        closer = threading.Thread(target=backend.close)
        closer.start()
        closer.join()
        assert library.standin_allocations() == 0, library.standin_allocations()
        assert library.standin_retained() == library.standin_graphs() == 0
    print("good")  # noqa: T201


def host_ms(kind: DriverKind) -> None:
    """Prints the median milliseconds of a frame whose network and decode cost nothing to speak of."""
    onnx_model = tiny_model(size=(32, 32))
    spec = Spec(onnx_model.card.name, onnx_model.card.classes, onnx_model.card.size, onnx_model.card.fit, "fp32")
    backend = TensorRTBackend(spec, FreeNetwork(onnx_model), open_driver(kind), ELF, GpuOptions("pinned"))
    frame, times = Frame(picture(32, 32), None, 0, 0, 0.0, "test"), []
    for _ in range(5000):
        started = time.perf_counter()
        backend.infer([frame])
        times.append(1e3 * (time.perf_counter() - started))
    print(sorted(times)[2500])  # noqa: T201
    backend.close()


if __name__ == "__main__":
    import sys

    chosen: DriverKind = "pycuda" if "pycuda" in sys.argv else "cuda-bindings"
    host_ms(chosen) if "host" in sys.argv else main(chosen)
