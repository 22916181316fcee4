"""The one opener: a model's name becomes a card and a backend. Each file is read, checked and inferred once.

NAME or file --read_model--> OnnxModel or EngineFile --open_backend--> Backend        open_model does both
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from edge_segnet.backends import reading
from edge_segnet.core.errors import DeviceLost, ModelError, UsageError
from edge_segnet.core.size import MIN_SIZE
from edge_segnet.core.types import Backend, CpuPrecision
from edge_segnet.cuda.interface import DriverKind, Memory
from edge_segnet.cuda.probe import find_gpu
from edge_segnet.graph.model_files import ENGINE_SUFFIX, LoweredModel, ModelCard, OnnxModel, find_model
from edge_segnet.pictures.palettes import recoloured

logger = logging.getLogger(__name__)
BackendKind = Literal["auto", "onnx", "openvino", "tensorrt"]

if TYPE_CHECKING:  # who has no GPU does not wait for it
    from edge_segnet.backends.race import CpuBackend
    from edge_segnet.engine.manifest import EngineFile
    from edge_segnet.graph.load import OnnxFile

Model: TypeAlias = "OnnxModel | LoweredModel | EngineFile"


@dataclass(frozen=True)
class BackendOptions:
    """``threads``, ``spinning`` (see ``backends.onnx.CpuOptions``) and ``precision`` (OpenVINO's; ONNX Runtime computes
    in float32) are the CPU's; ``memory``, ``driver``, ``depth`` and ``graphs`` are the GPU loop's (see
    ``backends.tensorrt.GpuOptions``).

    ``batch``: cameras that share a CPU; their frames go together where that is quicker. An engine has its own.

    ``fallback``: may the CPU serve in the place of an engine that is there but fails (damaged, stale, self-test)? None
    means yes for "auto" and no for "tensorrt". Where there is no GPU or no engine at all, "auto" takes the CPU anyway.
    """

    threads: int = 0
    spinning: bool = False
    precision: CpuPrecision = "auto"
    memory: Memory = "auto"
    fallback: bool | None = None
    driver: DriverKind = "auto"
    depth: Literal[1, 2] = 1
    graphs: bool = True
    batch: int = 1


@dataclass(frozen=True, eq=False)
class OpenModel:
    """A model at work; who has it closes ``backend``. ``sha256`` is its file's; the milliseconds, what opening took."""

    card: ModelCard
    backend: Backend
    sha256: str
    read_ms: float
    backend_ms: float


def open_model(
    name: str,
    size: tuple[int, int] | None = None,
    kind: BackendKind = "auto",
    options: BackendOptions | None = None,
    colours: Path | None = None,
) -> OpenModel:
    """Open a model for work: ``read_model`` and ``open_backend`` in one; raises as they do."""
    started = time.perf_counter()
    model = read_guarded(name, size, colours, kind)
    read = time.perf_counter()
    backend = open_backend(model, kind, options)
    sha256 = model.sha256 if isinstance(model, (OnnxModel, LoweredModel)) else model.manifest.files.engine
    return OpenModel(model.card, backend, sha256, 1e3 * (read - started), 1e3 * (time.perf_counter() - read))


def read_guarded(
    name: str, size: tuple[int, int] | None = None, colours: Path | None = None, kind: BackendKind = "auto"
) -> Model:
    """As ``read_model``, for ``kind``; what did not come with this program is read by ``read_apart`` alone."""
    if name.endswith(ENGINE_SUFFIX) or not reading.foreign(name):
        return read_model(name, size, colours)
    return read_apart(name, size, colours, kind)


def read_apart(
    name: str,
    size: tuple[int, int] | None = None,
    colours: Path | None = None,
    kind: BackendKind = "auto",
    begun: reading.Reading | None = None,
    batch: int = 1,
) -> Model:
    """As ``read_model``, for ``kind``, in a process of its own: for who must not wait for a library meanwhile.
    ``begun``: that process, if it is at work already.
    """
    if name.endswith(ENGINE_SUFFIX):
        return read_model(name, size, colours)
    if size is not None:
        _check(size)
    model = (begun or reading.Reading(name, size, reading.targets(kind), batch)).result()
    return _told(_coloured(model, colours))


def read_model(name: str, size: tuple[int, int] | None = None, colours: Path | None = None) -> Model:
    """A shipped NAME, an .onnx or an .engine file, at another network size (width, height) and in the colours of a
    palette if asked; says its licence in one log line. A file that did not come with this program is read by a
    process with bounds.

    Raises:
        ModelError: it is missing, damaged or can't have that size.
        UsageError, InputError: the size or the palette is wrong.
    """
    if size is not None:
        _check(size)
    if name.endswith(ENGINE_SUFFIX):
        from edge_segnet.engine.load import describe_engine

        model: Model = describe_engine(Path(name))
        model = model if size is None else resized(model, size)
    else:
        model = _read(name, size)
    return _told(_coloured(model, colours))


def read_onnx(name: str, size: tuple[int, int] | None = None) -> OnnxModel:
    """As ``read_model``, for who needs the network itself, its weights say; raises UsageError for an engine."""
    model = read_model(name, size)
    if not isinstance(model, OnnxModel):
        raise UsageError(f"{name}: an engine already", hint="give a shipped model's name or an .onnx file")
    return model


def read_any(name: str) -> OnnxFile:
    """What an ONNX file from anywhere holds, canonical or not; raises ModelError."""
    if reading.foreign(name):
        return reading.read_any(name)
    from edge_segnet.graph.load import read_file

    return read_file(find_model(name))


def _coloured(model: Model, colours: Path | None) -> Model:
    if colours is None:
        return model
    return replace(model, card=replace(model.card, classes=recoloured(model.card.classes, colours)))


def _told(model: Model) -> Model:
    if model.card.licence:
        logger.info("%s: %s", model.card.name, model.card.licence)
    return model


def _read(name: str, size: tuple[int, int] | None) -> OnnxModel:
    if reading.foreign(name):
        return reading.read_canonical(name, size)
    from edge_segnet.graph import card as cards  # and onnx, which who serves has another process wait for

    return cards.load(name, size)


def _check(size: tuple[int, int]) -> None:
    if min(size) < MIN_SIZE:
        raise UsageError(f"--size {size[0]}x{size[1]} is too small", hint=f"use at least {MIN_SIZE}x{MIN_SIZE}")


def resized(model: Model, size: tuple[int, int]) -> Model:
    """The same model at another network size (width, height); raises UsageError, ModelError."""
    _check(size)
    if isinstance(model, OnnxModel):
        from edge_segnet.graph.card import resized as resized_onnx

        return resized_onnx(model, size)
    if isinstance(model, LoweredModel):
        again = reading.read(str(model.path), size, tuple(model.graphs))
        return replace(again, card=replace(again.card, classes=model.card.classes))
    if size != model.card.size:
        raise ModelError(
            "{} is built for {}x{}".format(model.path, *model.card.size),
            hint="build another: edge-segnet build-engine --size {}x{}".format(*size),
        )
    return model


def open_backend(model: Model, kind: BackendKind = "auto", options: BackendOptions | None = None) -> Backend:
    """A model on the hardware at hand; a TensorRT engine has passed its self-test when this returns.

    Raises:
        ModelError: the model can't run there, or the backend is not available on this machine.
        DeviceLost: the GPU has too little memory, or fails.
    """
    options = options or BackendOptions()
    if kind in ("onnx", "openvino"):
        return _open_cpu(model, options, kind)
    may_fall_back = kind == "auto" if options.fallback is None else options.fallback
    try:
        if kind == "auto":
            find_gpu()
        from edge_segnet.engine.load import find_engine

        engine = find_engine(model)
    except ModelError as error:
        if kind == "auto" or may_fall_back:
            return _fall_back(model, options, error)
        find_gpu()  # where there is none, that is the better reason
        raise
    try:
        from edge_segnet.backends.engines import open_engine
        from edge_segnet.backends.tensorrt import GpuOptions

        return open_engine(engine, model, GpuOptions(options.memory, options.driver, options.depth, options.graphs))
    except (ModelError, DeviceLost) as error:
        if not may_fall_back:
            raise
        return _fall_back(model, options, error)


def _fall_back(model: Model, options: BackendOptions, reason: ModelError | DeviceLost) -> Backend:
    logger.warning("warning: running on the CPU, not on TensorRT: %s", reason)
    return _open_cpu(model, options, "auto")


def _open_cpu(model: Model, options: BackendOptions, kind: BackendKind) -> Backend:
    if not isinstance(model, (OnnxModel, LoweredModel)):
        model = _source_of(model)
    reading.check_precision(model, options.precision)
    alone = _open_alone(model, options, kind)
    if options.batch == 1:
        return alone
    from edge_segnet.backends.onnx import CpuOptions
    from edge_segnet.backends.together import open_together

    cpu = CpuOptions(options.threads, options.spinning)
    try:
        return open_together(model, alone, cpu, options.precision, options.batch)
    except BaseException:
        alone.close()
        raise


def _source_of(engine: EngineFile) -> OnnxModel:
    """The model file that an engine was built from, at its size and with its colours; raises ModelError: it is gone,
    or is another one now.
    """
    from edge_segnet.engine.manifest import REBUILD

    source, card = engine.manifest.source, engine.card
    found = _read(source, card.size)
    if found.sha256 != engine.manifest.recipe.source_sha256:
        what = f"{source}: not the file any more that {engine.path} was built from"
        raise ModelError(what, hint=f"{REBUILD} {source}")
    return replace(found, card=replace(found.card, classes=card.classes))


def _open_alone(model: OnnxModel | LoweredModel, options: BackendOptions, kind: BackendKind) -> CpuBackend:
    from edge_segnet.backends.onnx import CpuOptions, OnnxBackend

    cpu = CpuOptions(options.threads, options.spinning)
    if kind == "openvino":
        from edge_segnet.backends.openvino import OpenVinoBackend

        return OpenVinoBackend(model, options.threads, options.precision)
    if kind == "onnx":
        if options.precision not in ("auto", model.card.precision):
            raise ModelError(
                f"ONNX Runtime computes in fp32 on a CPU, not in {options.precision}", hint="take --backend openvino"
            )
        return OnnxBackend(model, cpu)
    from edge_segnet.backends.race import open_quickest

    backend, reason = open_quickest(model, cpu, options.precision)
    logger.info("%s: %s", backend.name, reason)
    backend.chosen_because = reason
    return backend
