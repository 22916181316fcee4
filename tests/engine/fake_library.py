"""A TensorRT in a few lines: its calls, its habit of giving None for a failure, and its log."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from edge_segnet.engine.library import Api, Flavour, Library, Log

SHAPES: dict[str, tuple[str, tuple[int, ...]]] = {
    "frame": ("UINT8", (1, 48, 64, 3)),
    "logits": ("FLOAT", (1, 11, 48, 64)),
}


class _Sink:
    ERROR = 1


class _Cache:
    def __init__(self) -> None:
        self.taken = b""

    def deserialize(self, data: bytes) -> bool:
        self.taken = data
        return data == b"kernels"

    def serialize(self) -> bytes:
        return b"kernels"


class FakeTensorRT:
    """Set ``says`` to what it logs; ``plan``, ``context``, ``runs`` and ``binds`` to False to make that step fail."""

    def __init__(self, flavour: Flavour = "tensorrt", version: str = "10.3.0") -> None:
        self.plan = self.context = self.runs = self.binds = True
        self.says = ""
        self.shapes = dict(SHAPES)
        self.bound: dict[str, int] = {}
        self.cache = _Cache()
        self.config: Any = None
        self.seen: list[bytes] = []
        self.strategies: list[str] = []
        self.given: list[tuple[int, int]] = []
        self.counts: list[tuple[int, ...]] = []
        api = SimpleNamespace(
            __version__=version,
            ILogger=_Sink,
            Runtime=lambda _sink: self,
            CudaGraphStrategy=SimpleNamespace(WHOLE_GRAPH_CAPTURE="whole"),
            ExecutionContextAllocationStrategy=SimpleNamespace(USER_MANAGED="user managed"),
        )
        self.library = Library(flavour, version, cast(Api, api), Log(cast(Api, api)))

    def deserialize_cuda_engine(self, plan: bytes) -> Any:
        self.seen.append(plan)
        return self._or_fail(self.plan)

    device_memory_size_v2 = 640

    def create_execution_context(self, config: Any = None) -> Any:
        if isinstance(config, str):
            self.strategies.append(config)
        else:
            self.config = config
        return self._or_fail(self.context)

    def _or_fail(self, works: bool) -> Any:
        if works:
            return self
        self.library.log.errors.append(self.says)
        return None

    @property
    def num_io_tensors(self) -> int:
        return len(self.shapes)

    def get_tensor_name(self, index: int) -> str:
        return list(self.shapes)[index]

    def get_tensor_dtype(self, name: str) -> Any:
        return SimpleNamespace(name=self.shapes[name][0])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.shapes[name][1]

    def create_runtime_config(self) -> Any:
        config = SimpleNamespace(create_runtime_cache=lambda: self.cache, cuda_graph_strategy=None)
        config.set_runtime_cache = lambda cache: setattr(config, "cache", cache)
        return config

    def set_device_memory(self, memory: int, size: int) -> None:
        self.given.append((memory, size))

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert name == "frame"
        self.counts.append(shape)
        return shape[0] <= 4

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.bound[name] = address
        return self.binds

    def execute_async_v3(self, stream: int) -> bool:
        assert stream == 77
        return bool(self._or_fail(self.runs))
