"""``edge-segnet build-engine``."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

from edge_segnet.backends.model import read_model
from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.cli.common import choose, json_lines, progress_bar
from edge_segnet.core.errors import ModelError, UsageError
from edge_segnet.core.size import parse_size
from edge_segnet.core.soundness import require_valid
from edge_segnet.core.types import Frame, Image, Labels
from edge_segnet.engine.build import Outcome, Request, build
from edge_segnet.engine.library import Wanted
from edge_segnet.engine.load import engine_folders
from edge_segnet.engine.manifest import check_suffix
from edge_segnet.graph.card import ENGINE_SUFFIX, OnnxModel
from edge_segnet.graph.lower import Precision

logger = logging.getLogger(__name__)


def run(
    model: str,
    out: Path | None,
    *,
    precision: str,
    runtime: str,
    capabilities: list[str],
    size: str | None,
    workspace_mb: int | None,
    optimization_level: int | None,
    force: bool,
    json_target: str | None,
) -> None:
    """Build what is missing or stale; errors as ``engine.build.build``."""
    request = Request(
        choose("--precision", precision, Precision),
        choose("--runtime", runtime, Wanted),
        _parse_capabilities(capabilities),
        workspace_mb,
        optimization_level,
        force,
    )
    if out is not None:
        check_suffix(out)
    source = read_model(model, None if size is None else parse_size(size))
    if not isinstance(source, OnnxModel):
        raise UsageError(f"{model}: an engine already", hint="give a shipped model's name or an .onnx file")
    try:
        outcome = _build(source, out, request)
    except MemoryError as error:
        hint = "close what else uses the memory, add swap, or build a smaller --size"
        raise ModelError(f"{model}: too little memory to build an engine here", hint=hint) from error
    with json_lines(json_target) as emit:
        emit(
            {
                "engine": str(outcome.engine),
                "built": outcome.built,
                "stale": list(outcome.reasons),
                **_document(outcome),
            }
        )
    logger.info("%s", _summary(outcome))


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
    backend = OnnxBackend(model)
    labels = require_valid(backend.infer(Frame(image, None, 0, 0, 0.0, "golden")), model.card.name).labels
    backend.close()
    return labels


def _document(outcome: Outcome) -> dict[str, object]:
    return {"manifest": outcome.manifest.model_dump(mode="json")}


def _summary(outcome: Outcome) -> str:
    recipe = outcome.manifest.recipe
    what = f"{recipe.flavour} {recipe.version}, {recipe.precision}, " + "{}x{}".format(*recipe.size)
    what += f", compute capability {' '.join(recipe.compute_capabilities)}"
    if not outcome.built:
        return f"{outcome.engine} is up to date ({what})"
    size = outcome.engine.stat().st_size / 1e6
    return f"{outcome.engine}: built in {outcome.manifest.build_seconds:.1f} s, {size:.1f} MB ({what})"
