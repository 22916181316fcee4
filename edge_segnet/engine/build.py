"""Model -> engine files: lower, plan, kernel, golden labels, manifest. Nothing is rebuilt that still fits."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import ModelError, UsageError
from edge_segnet.core.files import write_bytes
from edge_segnet.core.types import Image, Labels
from edge_segnet.core.version import VERSION
from edge_segnet.cuda.compile import Compiler, architecture, describe, find_compiler, kernel_source
from edge_segnet.engine import golden
from edge_segnet.engine.files import MODE, locked, read_trusted, recover, replace_all, sha256
from edge_segnet.engine.library import Library, Wanted, find_library, gpu_here
from edge_segnet.engine.manifest import (
    FORMAT,
    Files,
    Manifest,
    Recipe,
    as_bytes,
    check_manifest_is_ours,
    check_suffix,
    cubin_path,
    differences,
    expected_shapes,
    golden_path,
    manifest_path,
    parse,
    sealed,
)
from edge_segnet.engine.plan import OnProgress, Plan, PlanOptions, build_plan, supported_capabilities
from edge_segnet.engine.source import listed, source_hash
from edge_segnet.engine.trust import is_trusted, remember
from edge_segnet.graph.lower import Precision, lower
from edge_segnet.graph.model_files import OnnxModel

logger = logging.getLogger(__name__)
TIMING_CACHE: Final = "timing.cache"
"""Of all engines in a folder: their layers repeat."""
Capability = tuple[int, int]
AMPERE: Final = (8, 0)
"""An engine for older cards (7.5) is many times larger, so they are built for only when asked."""


@dataclass(frozen=True)
class Request:
    """What the user asked for; no compute capability means this GPU's, or all from Ampere on."""

    precision: Precision | None = None
    """None: float16, and int8 for an INT8 model."""
    runtime: Wanted = "auto"
    compute_capabilities: tuple[Capability, ...] = ()
    workspace_mb: int | None = None
    optimization_level: int | None = None
    force: bool = False
    batch: int = 1
    """Frames at once, at most."""


@dataclass(frozen=True)
class Outcome:
    """``built`` is False where the old engine still fits; ``reasons`` say why it did not."""

    engine: Path
    manifest: Manifest
    built: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Job:
    model: OnnxModel
    engine: Path
    request: Request
    library: Library
    compiler: Compiler
    capabilities: tuple[Capability, ...]
    recipe: Recipe


def build(
    model: OnnxModel, engine: Path, request: Request, reference: Callable[[Image], Labels], on_progress: OnProgress
) -> Outcome:
    """Build ``NAME.engine`` and its neighbours, or find that they still fit.

    Args:
        model: a model file, at the size that is wanted.
        engine: where to; its old files stay until all new ones are written.
        request: precision, flavour, architectures, limits.
        reference: the CPU's labels of a picture at network size, of the same file: an INT8 engine need not see what the
            float32 model sees, since a gate has judged that distance.
        on_progress: told of TensorRT's phases.

    Raises:
        ModelError: no TensorRT, no compiler, or the graph can't be built.
        UsageError: a compute capability that this TensorRT can't build for here; a name without ``.engine``; a
            ``NAME.json`` that is somebody else's.
        OutputError: the files can't be written; the old engine stands.
    """
    check_suffix(engine)
    check_manifest_is_ours(engine)
    job = _plan_job(model, engine, request)
    recipe = job.recipe
    with locked(engine):
        if recover(engine):
            logger.info("%s: finished a replacement that was cut off", engine)
        old, reasons = _examine(engine, recipe)
        if old is not None and not reasons and not request.force and is_trusted(engine):
            return Outcome(engine, old, built=False, reasons=())
        if old is not None and not reasons and not is_trusted(engine):
            reasons = ["it was not built by this user"]
        for reason in reasons:
            logger.info("%s: stale, %s", engine, reason)
        manifest = _make(job, reference, on_progress)
        remember(engine)
    return Outcome(engine, manifest, built=True, reasons=tuple(reasons))


def _capabilities(library: Library, asked: tuple[Capability, ...]) -> tuple[Capability, ...]:
    gpu = gpu_here()
    if library.flavour == "tensorrt":
        if gpu is None:
            raise ModelError(
                f"{library.title} builds on the GPU that it builds for, and there is none here",
                hint="run build-engine on the robot, or use --runtime tensorrt-rtx for a desktop card",
            )
        if asked and asked != (gpu.compute_capability,):
            raise UsageError(
                f"--compute-capability {_text(asked)}: {library.title} builds for this {gpu.name} only",
                hint=f"leave it out, or give {_text((gpu.compute_capability,))}",
            )
        return (gpu.compute_capability,)
    supported = supported_capabilities(library)
    if unknown := [number for number in asked if number not in supported]:
        raise UsageError(
            f"--compute-capability {_text(tuple(unknown))}: {library.title} can't build for it",
            hint=f"it knows {_text(tuple(supported))}; Jetsons and data-centre GPUs need --runtime tensorrt, there",
        )
    if not asked and gpu is not None and gpu.compute_capability in supported:
        return (gpu.compute_capability,)
    return tuple(sorted(set(asked))) or tuple(number for number in supported if number >= AMPERE)


def _text(numbers: tuple[Capability, ...]) -> str:
    return " ".join(f"{major}.{minor}" for major, minor in numbers)


def precision_of(model: OnnxModel, asked: Precision | None) -> Precision:
    """What the engine computes in; raises ModelError: the model file can't be had in that."""
    stored = model.card.precision
    if asked is None:
        return "int8" if stored == "int8" else "fp16"
    if (asked == "int8") != (stored == "int8"):
        which = "an INT8 model" if stored == "int8" else "no INT8 model"
        hint = "take --precision int8, or its float32 model" if stored == "int8" else "make one: edge-segnet quantize"
        raise ModelError(f"{model.card.name} is {which}: no engine of {asked} is made of it", hint=hint)
    return asked


def _plan_job(model: OnnxModel, engine: Path, request: Request) -> _Job:
    library, gpu = find_library(request.runtime), gpu_here()
    compiler = find_compiler(gpu.cuda if gpu else None)
    capabilities = _capabilities(library, request.compute_capabilities)
    recipe = Recipe(
        source_sha256=source_hash(model),
        classes=model.card.classes.to_dict(),
        calibration=None if model.card.calibration is None else model.card.calibration.to_dict(),
        void_output=model.card.void_output,
        fit=model.card.fit,
        flavour=library.flavour,
        version=library.version,
        cuda=describe(compiler),
        compute_capabilities=tuple(f"{major}.{minor}" for major, minor in capabilities),
        precision=precision_of(model, request.precision),
        size=model.card.size,
        workspace_mb=request.workspace_mb,
        optimization_level=request.optimization_level,
        kernel_sha256=sha256(kernel_source()),
        golden_frame_sha256=sha256(golden.stored_bytes()),
        batch=request.batch,
    )
    return _Job(model, engine, request, library, compiler, capabilities, recipe)


def _examine(engine: Path, recipe: Recipe) -> tuple[Manifest | None, list[str]]:
    """The engine that is there, and why it does not fit."""
    path = manifest_path(engine)
    if not path.exists():
        return None, ["it has no manifest"] if engine.exists() else []
    try:
        manifest = parse(read_trusted(path), path)
        reasons = differences(manifest.recipe, recipe)
        return manifest, reasons + ([] if reasons else damaged(engine, manifest))
    except ModelError as error:
        return None, [error.message]


def damaged(engine: Path, manifest: Manifest) -> list[str]:
    """Which of the engine's files are missing, open to others or changed."""
    found = []
    for path, wanted in listed(engine, manifest).items():
        try:
            if sha256(read_trusted(path)) != wanted:
                found.append(f"{path.name} was changed or cut off")
        except ModelError as error:
            found.append(error.message)
    return found


def _make(job: _Job, reference: Callable[[Image], Labels], on_progress: OnProgress) -> Manifest:
    card, engine = job.model.card, job.engine
    labels = golden.encode_labels(reference(golden.golden_frame(card.size, card.fit)))
    cubins = {arch: job.compiler.compile(kernel_source(), arch) for arch in map(architecture, job.capabilities)}
    timings = engine.parent / TIMING_CACHE
    plan = _build_plan(job, timings, on_progress)
    hashes = {arch: sha256(cubin) for arch, cubin in cubins.items()}
    manifest = _manifest(job, Files(engine=sha256(plan.data), cubins=hashes, golden=sha256(labels)), plan)
    contents = {engine: plan.data, golden_path(engine): labels}
    contents |= {cubin_path(engine, arch): cubin for arch, cubin in cubins.items()}
    obsolete = set(engine.parent.glob(f"{engine.stem}.sm_*.cubin")) - contents.keys()
    replace_all(engine, contents, as_bytes(manifest))
    for path in obsolete:
        path.unlink(missing_ok=True)
    if plan.timing_cache:
        write_bytes(timings, plan.timing_cache, MODE)
    return manifest


def _build_plan(job: _Job, timings: Path, on_progress: OnProgress) -> Plan:
    recipe = job.recipe
    lowered = lower(
        job.model.proto, "tensorrt", precision=recipe.precision, batch=recipe.batch, view=job.model.view
    ).model
    options = PlanOptions(
        job.capabilities if job.library.flavour == "tensorrt-rtx" else (),
        job.request.workspace_mb,
        job.request.optimization_level,
        _read_cache(timings),
        recipe.batch,
    )
    return build_plan(job.library, lowered, options, on_progress)


def _manifest(job: _Job, files: Files, plan: Plan) -> Manifest:
    manifest = Manifest(
        format=FORMAT,
        name=job.model.card.name,
        source=str(job.model.path.resolve() if job.model.path else ""),
        licence=job.model.card.licence,
        recipe=job.recipe,
        files=files,
        shapes=expected_shapes(job.recipe, len(job.model.card.classes)),
        built_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        int8_layers=plan.int8_layers,
        build_seconds=round(plan.seconds, 2),
        edge_segnet=VERSION,
    )
    return sealed(manifest)


def _read_cache(path: Path) -> bytes:
    """Timings of earlier builds; TensorRT reads them with native code, so the same suspicion applies."""
    try:
        return read_trusted(path)
    except ModelError:
        return b""
