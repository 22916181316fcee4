"""Verified engine files (``load``) -> a network that runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from edge_segnet.core.errors import DeviceLost, ModelError, OutputError
from edge_segnet.core.files import write_bytes
from edge_segnet.cuda.interface import Driver
from edge_segnet.engine.files import read_trusted
from edge_segnet.engine.library import Library, or_none
from edge_segnet.engine.load import Verified
from edge_segnet.engine.manifest import REBUILD

if TYPE_CHECKING:
    import tensorrt

logger = logging.getLogger(__name__)
FEWER: Final = "free some, or build it again with a smaller --batch"
_TYPES: Final = {"UINT8": "uint8", "HALF": "float16", "FLOAT": "float32"}


@dataclass(frozen=True)
class Binding:
    """``contexts``: how often the network is bound. ``captured``: whether its caller captures it in graphs."""

    contexts: int = 1
    captured: bool = False


class EngineNetwork:
    """A deserialised engine. Lives inside ``with driver.current():``.

    Each binding has an execution context of its own, since a captured graph is one context's in the state that it had.
    They run one after the other, on one stream, and share the memory of the layers in between.
    """

    def __init__(self, verified: Verified, library: Library, driver: Driver, binding: Binding | None = None) -> None:
        """Deserialise what was verified.

        Raises:
            ModelError: TensorRT refuses the plan, or it has other inputs and outputs than the manifest says.
            DeviceLost: the GPU's memory does not suffice.
        """
        self._library, self._verified, self._binding = library, verified, binding or Binding()
        self._cache: Any = None
        library.log.take()
        self._runtime = library.api.Runtime(library.log.sink)
        engine = or_none(self._runtime.deserialize_cuda_engine(verified.plan))
        if engine is None:
            raise self._refused("deserialise it")
        self._engine = engine
        self._check_tensors()
        shared = max(1, engine.device_memory_size_v2) if self._binding.contexts > 1 else 0
        self._workspace = driver.device_buffer(shared) if shared else None
        self._spare: tensorrt.IExecutionContext | None = self._new_context()

    def bind(self, frame: int, logits: int, count: int) -> Callable[[int], None]:
        """Give the network its input and output, of ``count`` frames: addresses that the GPU sees.

        Raises:
            ModelError: TensorRT refuses them.
            DeviceLost: the GPU's memory does not suffice.
        """
        context, self._spare = self._spare or self._new_context(), None
        if self._workspace is not None:
            context.set_device_memory(self._workspace.address, self._workspace.nbytes)
        manifest = self._verified.manifest
        if manifest.recipe.batch > 1 and not context.set_input_shape("frame", (count, *manifest.frame_shape[1:])):
            raise ModelError(f"{self._verified.engine}: TensorRT refuses {count} frames at once", hint=REBUILD)
        for name, address in (("frame", frame), ("logits", logits)):
            if not context.set_tensor_address(name, address):
                raise ModelError(f"{self._verified.engine}: TensorRT refuses a buffer for '{name}'", hint=REBUILD)
        return partial(self._enqueue, context)

    def _new_context(self) -> tensorrt.IExecutionContext:
        context = self._make_context()
        if context is None:
            raise self._refused("make an execution context")
        return context

    def _enqueue(self, context: tensorrt.IExecutionContext, stream: int) -> None:
        if not context.execute_async_v3(stream):
            raise DeviceLost(
                f"{self._library.title} could not start the network ({self._library.log.reason()})",
                hint="restart; if it stays, look at dmesg",
            )

    def save_cache(self) -> None:
        """Keep what tensorrt-rtx compiled for this GPU, so that the next start is quicker."""
        if self._cache is None:
            return
        try:
            write_bytes(self._cache_path, bytes(memoryview(self._cache.serialize())), 0o644)
        except OutputError as error:
            logger.warning("the next start compiles again: %s", error)

    def close(self) -> None:
        """Engine before runtime, as TensorRT asks; the contexts went before, with those who had bound them."""
        del self._spare, self._workspace, self._engine, self._runtime

    @property
    def _cache_path(self) -> Path:
        return self._verified.engine.with_suffix(".runtime.cache")

    def _refused(self, what: str) -> Exception:
        errors = self._library.log.take()
        reason = errors[0] if errors else "it does not say why"
        if any("memory" in error.lower() for error in errors):
            hint = FEWER if self._verified.manifest.recipe.batch > 1 else "free some"
            return DeviceLost(f"{self._verified.engine}: the GPU has too little memory ({reason})", hint=hint)
        return ModelError(f"{self._verified.engine}: {self._library.title} can't {what} ({reason})", hint=REBUILD)

    def _check_tensors(self) -> None:
        engine, manifest = self._engine, self._verified.manifest
        found = {}
        for index in range(engine.num_io_tensors):
            name = engine.get_tensor_name(index)
            kind, shape = engine.get_tensor_dtype(name).name, engine.get_tensor_shape(name)
            sizes = ",".join(str(shape[axis]) for axis in range(len(shape)))
            found[name] = f"{_TYPES.get(kind, kind)}[{sizes}]"
        if found != manifest.shapes:
            raise ModelError(
                f"{self._verified.engine}: its tensors are {found}, the manifest says {manifest.shapes}", hint=REBUILD
            )

    def _make_context(self) -> tensorrt.IExecutionContext | None:
        managed = self._library.api.ExecutionContextAllocationStrategy.USER_MANAGED
        if self._library.flavour == "tensorrt":
            if self._workspace is None:
                return or_none(self._engine.create_execution_context())
            return or_none(self._engine.create_execution_context(managed))
        extras, engine = self._library.extras, self._extended
        config = engine.create_runtime_config()
        if self._workspace is not None:
            config.set_execution_context_allocation_strategy(managed)
        if self._cache is None:
            self._cache = self._read_cache(config)
        config.set_runtime_cache(self._cache)
        if not self._binding.captured:  # its own CUDA graph: shapes and addresses never change here
            config.cuda_graph_strategy = extras.CudaGraphStrategy.WHOLE_GRAPH_CAPTURE
        context: tensorrt.IExecutionContext | None = engine.create_execution_context(config)
        return context

    def _read_cache(self, config: Any) -> Any:
        cache = config.create_runtime_cache()
        try:
            if not cache.deserialize(read_trusted(self._cache_path)):
                logger.debug("%s is for another GPU or driver", self._cache_path)
        except ModelError as error:
            logger.debug("no kernels from earlier: %s", error)
        return cache

    @property
    def _extended(self) -> Any:
        """The engine, for what only tensorrt-rtx has."""
        return self._engine
