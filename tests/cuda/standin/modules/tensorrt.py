"""A TensorRT whose plans are ONNX files, run by ONNX Runtime on the addresses that it gets. For the stand-in driver,
where the GPU's addresses are the host's. Like the real one it gives None, not an exception, for what it can't do.
"""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime

__version__ = "10.3.0"
Shape = tuple[int, ...]
_TYPES = {onnx.TensorProto.UINT8: "UINT8", onnx.TensorProto.FLOAT: "FLOAT", onnx.TensorProto.FLOAT16: "HALF"}


def _shape(tensor: Any) -> Shape:
    """What is open is -1."""
    return tuple(size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim)


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def log(self, severity: int, message: str) -> None:
        raise NotImplementedError


class IProgressMonitor:
    pass


MemoryPoolType = SimpleNamespace(WORKSPACE=0)
NetworkDefinitionCreationFlag = SimpleNamespace(STRONGLY_TYPED=1)
TensorIOMode = SimpleNamespace(INPUT=1, OUTPUT=2)
ExecutionContextAllocationStrategy = SimpleNamespace(STATIC=0, ON_PROFILE_CHANGE=1, USER_MANAGED=2)


class _Cache:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def serialize(self) -> bytes:
        return b"timings"


class _Profile:
    """From how many frames to how many; the one that the plan is quickest at is one of them."""

    def set_shape(self, name: str, least: Shape, best: Shape, most: Shape) -> None:
        assert name == "frame" and 1 == least[0] <= best[0] <= most[0] and least[1:] == best[1:] == most[1:]


class _Config:
    builder_optimization_level = 3
    progress_monitor: Any = None

    def add_optimization_profile(self, profile: _Profile) -> int:
        assert isinstance(profile, _Profile)
        return 0

    def set_memory_pool_limit(self, pool: int, size: int) -> None:
        assert pool == 0 and size > 0

    def create_timing_cache(self, data: bytes) -> _Cache:
        return _Cache(data)

    def set_timing_cache(self, cache: _Cache, ignore_mismatch: bool) -> bool:
        return cache.data in (b"", b"timings") and not ignore_mismatch


class Builder:
    def __init__(self, logger: ILogger) -> None:
        self.logger = logger

    def create_network(self, flags: int) -> Network:
        assert flags == 2, "strongly typed"
        return Network()

    def create_optimization_profile(self) -> _Profile:
        return _Profile()

    def create_builder_config(self) -> _Config:
        return _Config()

    def build_serialized_network(self, network: Network, config: _Config) -> bytes | None:
        config.progress_monitor.phase_start("Timing graph nodes", "Building", 3)
        for number in range(3):
            if not config.progress_monitor.step_complete("Timing graph nodes", number):
                return None
        config.progress_monitor.phase_finish("Timing graph nodes")
        plan: bytes = network.onnx
        return plan


class Network:
    onnx = b""
    num_inputs = 1

    def get_input(self, index: int) -> SimpleNamespace:
        (given,) = (one for one in onnx.load_model_from_string(self.onnx).graph.input if one.name == "frame")
        assert index == 0
        return SimpleNamespace(name=given.name, shape=_shape(given.type.tensor_type))


class OnnxParser:
    num_errors = 0

    def __init__(self, network: Network, logger: ILogger) -> None:
        self.network, self.logger = network, logger

    def parse(self, data: bytes) -> bool:
        self.network.onnx = data
        return True


class Runtime:
    def __init__(self, logger: ILogger) -> None:
        self.logger = logger

    def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
        try:
            return Engine(plan)
        except Exception as error:  # noqa: BLE001 - whatever ONNX Runtime says of bytes that are no plan
            self.logger.log(ILogger.ERROR, str(error))
            return None


class Engine:
    def __init__(self, plan: bytes) -> None:
        self.session = onnxruntime.InferenceSession(plan, providers=["CPUExecutionProvider"])
        graph = onnx.load_model_from_string(plan).graph
        self.tensors = [value for value in (*graph.input, *graph.output) if value.name in ("frame", "logits")]
        self.num_io_tensors = len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return str(self.tensors[index].name)

    def get_tensor_dtype(self, name: str) -> SimpleNamespace:
        return SimpleNamespace(name=_TYPES[self._tensor(name).elem_type])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return _shape(self._tensor(name))

    def _tensor(self, name: str) -> Any:
        return next(value.type.tensor_type for value in self.tensors if value.name == name)

    device_memory_size_v2 = 4096
    given: int | None = None
    """Whose memory contexts have: their own, or what they are given."""

    def create_execution_context(self, strategy: int | None = None) -> Context:
        self.given = strategy
        return Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.addresses: dict[str, int] = {}
        self.memory: int | None = None
        self.held: list[object] = []
        self.shape = engine.get_tensor_shape("frame")

    def set_input_shape(self, name: str, shape: Shape) -> bool:
        self.shape = shape
        return name == "frame" and self.engine.get_tensor_shape("frame") == (-1, *shape[1:])

    def set_device_memory(self, memory: int, size: int) -> None:
        assert memory and size >= self.engine.device_memory_size_v2
        self.memory = memory

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return address % 256 == 0 or address % 16 == 0

    def execute_async_v3(self, stream: int) -> bool:
        function = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._work)
        self.held.append(function)  # a graph may hold it
        started: int = ctypes.CDLL("libcuda.so.1").cuLaunchHostFunc(ctypes.c_void_p(stream), function, None)
        return started == 0 and (self.engine.given is None or self.memory is not None)

    def _work(self, _: object) -> None:
        shape = self.shape
        frame = np.ctypeslib.as_array((ctypes.c_uint8 * int(np.prod(shape))).from_address(self.addresses["frame"]))
        logits = self.engine.session.run(["logits"], {"frame": frame.reshape(shape)})[0]
        ctypes.memmove(self.addresses["logits"], logits.ctypes.data, logits.nbytes)
