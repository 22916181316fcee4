"""``edge-segnet build-engine``."""

from __future__ import annotations

import logging
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from edge_segnet.backends.model import open_backend, read_onnx
from edge_segnet.cli.command import program
from edge_segnet.cli.common import choose, json_lines, progress_bar
from edge_segnet.cli.options import Json, ModelSource, Size
from edge_segnet.core.errors import ModelError, UsageError
from edge_segnet.core.size import MAX_BATCH, parse_optional
from edge_segnet.core.soundness import require_valid
from edge_segnet.core.types import Frame, Image, Labels
from edge_segnet.engine.build import Outcome, Request, build
from edge_segnet.engine.files import read_trusted
from edge_segnet.engine.folders import engine_folders
from edge_segnet.engine.library import Wanted
from edge_segnet.engine.manifest import check_suffix, manifest_path, parse
from edge_segnet.graph.lower import Precision
from edge_segnet.graph.model_files import ENGINE_SUFFIX, OnnxModel
from edge_segnet.settings import deployed

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuildEngine:
    """Build a TensorRT engine, with the decode kernel, golden labels and a manifest beside it.

    Nothing is rebuilt that still fits; a stale engine says why. Killed or failed, it leaves the old engine whole.

        edge-segnet build-engine segnet-lite

        edge-segnet build-engine mine.onnx --runtime tensorrt-rtx --compute-capability 8.6,8.9
    """

    model: ModelSource = "segnet-lite"
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="NAME.engine", help="Left out: engines/NAME.engine.")
    ] = None
    precision: Annotated[
        str | None, typer.Option(metavar="KIND", help="fp16, fp32, or int8 for an INT8 model; left out: fp16 or int8.")
    ] = None
    runtime: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="auto, tensorrt (Jetson, data centre: builds on its GPU), or tensorrt-rtx (RTX cards)."
        ),
    ] = "auto"
    compute_capability: Annotated[
        list[str] | None,
        typer.Option(metavar="X.Y", help="For tensorrt-rtx: 8.6,8.9. Left out: this GPU's, or 8.0 on."),
    ] = None
    size: Size = None
    batch: Annotated[
        int, typer.Option(metavar="N", min=1, max=MAX_BATCH, help="Frames at once, at most: of cameras that share it.")
    ] = 1
    workspace_mb: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=1_000_000, help="Scratch memory that a layer may take.")
    ] = None
    optimization_level: Annotated[
        int | None, typer.Option(metavar="0-5", min=0, max=5, help="Higher builds longer; left out: TensorRT's, 3.")
    ] = None
    deployed: Annotated[
        bool, typer.Option("--deployed", help="Also that of the model which 'service model' has serve in its place.")
    ] = False
    force: Annotated[bool, typer.Option("--force", help="Build even if the engine that is there fits.")] = False
    json: Json = None

    def run(self) -> None:
        """Build what is missing or stale; errors as ``engine.build.build``."""
        request = Request(
            None if self.precision is None else choose("--precision", self.precision, Precision),
            choose("--runtime", self.runtime, Wanted),
            _parse_capabilities(self.compute_capability or []),
            self.workspace_mb,
            self.optimization_level,
            self.force,
            self.batch,
        )
        if self.out is not None:
            check_suffix(self.out)
        try:
            made = self._made(self.model, self.size, self.out, request)
        except ModelError:
            self._of_deployed(request)  # it serves, so it is not kept from its engine by the other's fault
            raise
        also = self._of_deployed(request)
        with json_lines(self.json) as emit:
            emit(_document(made) | ({} if also is None else {"deployed": _document(also)}))

    def _of_deployed(self, request: Request) -> Outcome | None:
        """The engine of what ``service model`` has serve; None: not asked for, or nothing is deployed."""
        if not self.deployed or (found := _deployed()) is None:
            return None
        path, engine = found
        size, as_before = _as_before(engine, self.size, request)
        return self._made(str(path), size, engine, as_before)

    def _made(self, model: str, size: str | None, out: Path | None, request: Request) -> Outcome:
        source = read_onnx(model, parse_optional(size))
        try:
            outcome = _build(source, out, request)
        except MemoryError as error:
            smaller = "--batch" if request.batch > 1 else "--size"
            hint = f"close what else uses the memory, add swap, or build a smaller {smaller}"
            raise ModelError(f"{model}: too little memory to build an engine here", hint=hint) from error
        logger.info("%s", _summary(outcome))
        return outcome


def _deployed() -> tuple[Path, Path] | None:
    """The deployed model and where its engine lies; None: the settings' own model serves, or the file is gone."""
    served = deployed.read().deployed
    if served is None or not (path := deployed.file_of(served.sha256)).is_file():
        logger.info("no model is deployed: nothing more to build")
        return None
    return path, deployed.engine_of(path)


def _as_before(engine: Path, size: str | None, request: Request) -> tuple[str | None, Request]:
    """What was not asked for is as the service has built it: by the manifest of the engine that is there."""
    try:
        recipe = parse(read_trusted(manifest_path(engine)), engine).recipe
    except ModelError:
        return size, request
    batch = recipe.batch if request.batch == 1 else request.batch
    as_built = replace(request, precision=request.precision or recipe.precision, batch=batch)
    return size or "{}x{}".format(*recipe.size), as_built


def _build(model: OnnxModel, out: Path | None, request: Request) -> Outcome:
    engine = out if out is not None else default_engine(model)
    with progress_bar("TensorRT", None) as advance:

        def on_progress(phase: str, done: int, total: int) -> None:
            advance(completed=done, description=phase, total=total)

        return build(model, engine, request, lambda image: _reference(model, image), on_progress)


def default_engine(model: OnnxModel) -> Path:
    """Where the backend looks for it: the service's state if this runs as a service, else ./engines."""
    folder = engine_folders()[0 if "STATE_DIRECTORY" in os.environ else 1]
    name = model.path.stem if model.path is not None else model.card.name
    return folder / f"{name}{ENGINE_SUFFIX}"


def _parse_capabilities(texts: list[str]) -> tuple[tuple[int, int], ...]:
    """``["8.6", "8.9,12.0"]`` -> ((8, 6), (8, 9), (12, 0))"""
    found = []
    for text in " ".join(texts).replace(",", " ").split():
        match = re.fullmatch(r"(\d{1,2})\.(\d)", text, re.ASCII)
        if match is None:
            raise UsageError(f"--compute-capability {text}: not a compute capability", hint="give for example 8.7")
        found.append((int(match[1]), int(match[2])))
    return tuple(sorted(set(found)))


def _reference(model: OnnxModel, image: Image) -> Labels:
    """What the CPU sees in the stored frame."""
    backend = open_backend(model, "onnx")
    labels = require_valid(backend.infer([Frame(image, None, 0, 0, 0.0, "golden")])[0], model.card.name).labels
    backend.close()
    return labels


def _document(outcome: Outcome) -> dict[str, object]:
    told = {"engine": str(outcome.engine), "built": outcome.built, "stale": list(outcome.reasons)}
    return {**told, "manifest": outcome.manifest.model_dump(mode="json")}


def _summary(outcome: Outcome) -> str:
    recipe = outcome.manifest.recipe
    what = f"{recipe.flavour} {recipe.version}, {recipe.precision}, " + "{}x{}".format(*recipe.size)
    what += f", up to {recipe.batch} frames at once" if recipe.batch > 1 else ""
    what += f", {len(outcome.manifest.int8_layers)} layers in INT8" if outcome.manifest.int8_layers else ""
    what += f", compute capability {' '.join(recipe.compute_capabilities)}"
    if not outcome.built:
        return f"{outcome.engine} is up to date ({what})"
    size = outcome.engine.stat().st_size / 1e6
    return f"{outcome.engine}: built in {outcome.manifest.build_seconds:.1f} s, {size:.1f} MB ({what})"


app = program("build-engine", BuildEngine)
