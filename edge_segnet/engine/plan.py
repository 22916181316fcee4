"""A lowered ONNX graph -> TensorRT's plan. One code path for ``tensorrt`` 10.3 to 11 and ``tensorrt-rtx`` 1.x: strongly
typed networks, and nothing that only one of them has but the compute capabilities and the timing cache.
"""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

import onnx

from edge_segnet.core.errors import ModelError
from edge_segnet.engine.library import Library, or_none
from edge_segnet.graph.quantise import quantised_layers

if TYPE_CHECKING:
    import tensorrt

MEGABYTE: Final = 2**20
OTHER_GPU: Final = re.compile(r"\bSM \d+ is not supported")
"""What a TensorRT without code for this GPU says; that of JetPack 7.0's containers does on an Orin (SM 87)."""


class OnProgress(Protocol):
    def __call__(self, phase: str, done: int, total: int) -> None:
        """``phase`` is TensorRT's name of what it does; ``done`` of ``total`` steps are through."""
        ...


@dataclass(frozen=True)
class PlanOptions:
    """``None`` leaves a value to TensorRT. ``compute_capabilities`` are tensorrt-rtx's, as (major, minor). ``batch``:
    frames at once, at most; above 1 the graph's first dimension is open.
    """

    compute_capabilities: tuple[tuple[int, int], ...] = ()
    workspace_mb: int | None = None
    optimization_level: int | None = None
    timing_cache: bytes = b""
    batch: int = 1


@dataclass(frozen=True)
class Plan:
    """``data`` is the serialised engine; ``timing_cache`` what the next build can reuse (``tensorrt`` only);
    ``int8_layers`` the convolutions that compute in int8.
    """

    data: bytes
    timing_cache: bytes
    seconds: float
    int8_layers: tuple[str, ...] = ()


def build_plan(library: Library, model: onnx.ModelProto, options: PlanOptions, on_progress: OnProgress) -> Plan:
    """Parse and build.

    Raises:
        ModelError: TensorRT can't read the graph, can't build it here, or takes an INT8 layer for a float one.
        KeyboardInterrupt, SystemExit: a signal came meanwhile.
    """
    started = time.perf_counter()
    library.log.take()
    builder = _make_builder(library)
    flag = library.api.NetworkDefinitionCreationFlag.STRONGLY_TYPED
    network = builder.create_network(1 << int(flag))
    _parse(library, network, model)
    whole = _int8_layers(library, network, model)
    config = builder.create_builder_config()
    _configure(library, config, options)
    if options.batch > 1:
        _open_batch(builder, network, config, options.batch)
    cache = _give_timing_cache(library, config, options.timing_cache)
    with _deferred_signals() as stop:
        config.progress_monitor = _monitor(library, on_progress, stop)
        plan = or_none(builder.build_serialized_network(network, config))
    if plan is None:
        raise _failure(library, options)
    kept = bytes(_buffer(cache.serialize())) if cache is not None else b""
    return Plan(bytes(_buffer(plan)), kept, time.perf_counter() - started, whole)


def _int8_layers(library: Library, network: tensorrt.INetworkDefinition, model: onnx.ModelProto) -> tuple[str, ...]:
    """Names of the convolutions that read int8: in a strongly typed network nothing else decides it."""
    wanted = quantised_layers(model)
    if not wanted:
        return ()
    kinds = library.extras.LayerType
    made = [network.get_layer(index) for index in range(network.num_layers)]
    whole = {one.get_output(0).name for one in made if one.type == kinds.DEQUANTIZE}
    convolutions = [one for one in made if one.type == kinds.CONVOLUTION]
    found = tuple(one.name for one in convolutions if whole.issuperset((_input(one, 0), _input(one, 1))))
    if len(found) != len(wanted):
        raise ModelError(
            f"{library.title} takes {len(found)} of {len(wanted)} INT8 layers for such", hint="build the float32 model"
        )
    return found


def _input(layer: tensorrt.ILayer, index: int) -> str:
    """Name of a layer's input; weights that are no tensor have none."""
    found = or_none(layer.get_input(index)) if index < layer.num_inputs else None
    return "" if found is None else str(found.name)


def _buffer(memory: Any) -> memoryview:
    """TensorRT's host memory speaks the buffer protocol, which its types don't say."""
    return memoryview(memory)


def _make_builder(library: Library) -> tensorrt.Builder:
    try:
        builder = library.api.Builder(library.log.sink)
    except TypeError as error:  # pybind11's "factory function returned nullptr"
        raise ModelError(
            f"{library.title} can't build here ({library.log.reason()})",
            hint="it builds on the GPU that it builds for; without one use --runtime tensorrt-rtx",
        ) from error
    return builder


def _parse(library: Library, network: tensorrt.INetworkDefinition, model: onnx.ModelProto) -> None:
    parser = library.api.OnnxParser(network, library.log.sink)
    if bool(parser.parse(model.SerializeToString())):  # the published types take bool for TensorRT's data type
        return
    problems = [_describe(parser.get_error(index)) for index in range(parser.num_errors)]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    raise ModelError(
        f"{library.title} can't read the graph: {problems[0] if problems else library.log.reason()}{more}",
        hint="replace that operator and export the model again; its parser's operators: "
        "github.com/onnx/onnx-tensorrt/blob/main/docs/operators.md",
    )


def _describe(error: tensorrt.ParserError) -> str:
    """Node, operator and the parser's reason, which is sometimes only the text of a failed assertion: "false"."""
    kind = str(error.code()).rpartition(".")[2].lower().replace("_", " ")
    reason = f"{kind}, {' '.join(error.desc().split())}".removesuffix(", false")
    name, operator = error.node_name(), error.node_operator()
    return f"node '{name}' ({operator}): {reason}" if operator else reason


def _configure(library: Library, config: tensorrt.IBuilderConfig, options: PlanOptions) -> None:
    if options.workspace_mb is not None:
        config.set_memory_pool_limit(library.api.MemoryPoolType.WORKSPACE, options.workspace_mb * MEGABYTE)
    if options.optimization_level is not None:
        config.builder_optimization_level = options.optimization_level
    if options.compute_capabilities:
        _set_compute_capabilities(library, config, options.compute_capabilities)


def _open_batch(builder: tensorrt.Builder, network: tensorrt.INetworkDefinition, config: Any, most: int) -> None:
    """From one frame to ``most``, quickest at ``most``: that is what a service gives when it is busy."""
    profile: Any = builder.create_optimization_profile()  # the published types know Dims only, it takes tuples as well
    for index in range(network.num_inputs):
        given = network.get_input(index)
        frame = [given.shape[axis] for axis in range(1, len(given.shape))]
        profile.set_shape(given.name, (1, *frame), (most, *frame), (most, *frame))
    config.add_optimization_profile(profile)


def _set_compute_capabilities(library: Library, config: Any, wanted: tuple[tuple[int, int], ...]) -> None:
    supported = supported_capabilities(library)
    for number in wanted:
        if number not in supported:
            names = ", ".join("{}.{}".format(*known) for known in supported)
            raise ModelError(
                "{} can't build for compute capability {}.{}".format(library.title, *number),
                hint=f"it knows {names}; a Jetson and a data-centre GPU need --runtime tensorrt, on that machine",
            )
    config.num_compute_capabilities = len(wanted)
    for index, number in enumerate(wanted):
        if not config.set_compute_capability(supported[number], index):
            raise ModelError("{} refuses compute capability {}.{}".format(library.title, *number))


def supported_capabilities(library: Library) -> dict[tuple[int, int], Any]:
    """What tensorrt-rtx can build for without a GPU: (major, minor) -> its own constant, in order."""
    kinds = library.extras.ComputeCapability
    names = [name for name in dir(kinds) if name.startswith("SM") and name[2:].isdigit()]
    return {(int(name[2:-1]), int(name[-1])): getattr(kinds, name) for name in sorted(names, key=lambda n: int(n[2:]))}


def _give_timing_cache(library: Library, config: tensorrt.IBuilderConfig, kept: bytes) -> tensorrt.ITimingCache | None:
    """Timings of earlier builds; one of another version or GPU is left. tensorrt-rtx times nothing and has none."""
    if library.flavour != "tensorrt":
        return None
    cache = or_none(config.create_timing_cache(kept))
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _monitor(library: Library, on_progress: OnProgress, stop: threading.Event) -> tensorrt.IProgressMonitor:
    """Tells of the innermost phase with more than one step: timing a network's layers, mostly."""
    totals: dict[str, int] = {}
    monitor = library.api.IProgressMonitor

    def start(_: Any, phase: str, parent: str | None, steps: int) -> None:  # noqa: ARG001 - TensorRT's signature
        if steps > 1:
            totals[phase] = steps
            on_progress(phase, 0, steps)

    def step(_: Any, phase: str, number: int) -> bool:
        if phase == next(reversed(totals), None):
            on_progress(phase, number + 1, totals[phase])
        return not stop.is_set()

    def finish(_: Any, phase: str) -> None:
        totals.pop(phase, None)

    members = {
        "__init__": lambda me: monitor.__init__(me),
        "phase_start": start,
        "step_complete": step,
        "phase_finish": finish,
    }
    made: tensorrt.IProgressMonitor = type("Monitor", (monitor,), members)()
    return made


@contextlib.contextmanager
def _deferred_signals() -> Iterator[threading.Event]:
    """Ctrl-C and SIGTERM ask the builder to stop: an exception thrown through its native frames would be a crash."""
    stop, caught = threading.Event(), []
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def note(number: int, _: Any) -> None:
        caught.append(number)
        stop.set()

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if caught:
        signal.raise_signal(caught[0])


def _failure(library: Library, options: PlanOptions) -> ModelError:
    reason = library.log.reason()
    memory = "memory" in reason.lower() or "alloc" in reason.lower()
    less = "a smaller --batch" if options.batch > 1 else "lower --workspace-mb"
    hint = f"close what else uses the memory, or {less}" if memory else "try a lower --optimization-level"
    if OTHER_GPU.search(reason):
        hint = "this TensorRT was made without code for this GPU: take the one of this board's JetPack (docs/jetson.md)"
    return ModelError(f"{library.title} can't build the engine ({reason})", hint=hint)
