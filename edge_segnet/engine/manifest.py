"""``NAME.json``: what an engine was made from and for. Read and checked before any of its neighbours is touched."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge_segnet.core import calibration as calibrations
from edge_segnet.core.calibration import Calibration
from edge_segnet.core.classes import ClassMap, from_dict
from edge_segnet.core.errors import ModelError, UsageError
from edge_segnet.core.size import MAX_BATCH
from edge_segnet.core.types import Fit
from edge_segnet.engine.library import Flavour
from edge_segnet.graph.lower import Precision
from edge_segnet.graph.model_files import ENGINE_SUFFIX, ModelCard, Stored

FORMAT: Final = 2
"""Of the manifest; an engine with an older one is built again."""
REBUILD: Final = "build it again: edge-segnet build-engine"
Sha256 = str


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Recipe(_Part):
    """Everything that decides what is built: an engine is stale when one of these differs."""

    source_sha256: Sha256
    """Of the ONNX file."""
    classes: dict[str, Any]
    calibration: dict[str, Any] | None = None
    void_output: bool = False
    fit: Fit
    flavour: Flavour
    version: str
    """TensorRT's."""
    cuda: str
    """The compiler of the decode kernel, for example "nvrtc 12.6"."""
    compute_capabilities: tuple[str, ...]
    """For example ("8.7",)."""
    precision: Precision
    size: tuple[int, int]
    """(width, height)"""
    workspace_mb: int | None
    optimization_level: int | None
    kernel_sha256: Sha256
    """Of ``decode.cu``."""
    golden_frame_sha256: Sha256
    batch: int = Field(1, ge=1, le=MAX_BATCH)
    """Frames at once, at most."""


class Files(_Part):
    """SHA-256 of everything that is loaded."""

    engine: Sha256
    cubins: dict[str, Sha256]
    """By architecture: ``sm_87``."""
    golden: Sha256


class Manifest(_Part):
    """The whole document."""

    format: Literal[2]
    name: str
    source: str
    """Path of the ONNX file at build time."""
    licence: str
    recipe: Recipe
    files: Files
    shapes: dict[str, str]
    """``{"frame": "uint8[1,360,480,3]", "logits": "float16[1,11,360,480]"}``"""
    int8_layers: tuple[str, ...] = ()
    """Convolutions that compute in int8, as TensorRT's parser has understood them."""
    built_at: str
    """UTC, ISO 8601."""
    build_seconds: float = Field(ge=0)
    edge_segnet: str
    """Our own version."""
    checksum: Sha256 = ""
    """Of all of the above, so that damage to this file is noticed too."""

    @property
    def class_map(self) -> ClassMap:
        return from_dict(self.recipe.classes, "the manifest")

    @property
    def calibration(self) -> Calibration | None:
        measured = self.recipe.calibration
        return None if measured is None else calibrations.from_dict(measured, "the manifest")

    @property
    def frame_shape(self) -> tuple[int, int, int, int]:
        """Of one frame."""
        width, height = self.recipe.size
        return (1, height, width, 3)


def manifest_path(engine: Path) -> Path:
    return engine.with_suffix(".json")


def golden_path(engine: Path) -> Path:
    return engine.with_suffix(".golden.png")


def cubin_path(engine: Path, arch: str) -> Path:
    return engine.with_suffix(f".{arch}.cubin")


def parse(text: bytes, path: Path) -> Manifest:
    """Raises ModelError: not a manifest, of another format, or with impossible classes."""
    try:
        manifest = Manifest.model_validate_json(text)
        classes = manifest.class_map
        _ = manifest.calibration
    except (ValidationError, UsageError) as error:
        raise ModelError(f"{path}: not an engine's manifest ({_reason(error)})", hint=REBUILD) from error
    if manifest.checksum != _checksum(manifest):
        raise ModelError(f"{path}: changed since it was written (its checksum differs)", hint=REBUILD)
    if bool(manifest.int8_layers) != (manifest.recipe.precision == "int8"):
        raise ModelError(f"{path}: its INT8 layers contradict its precision", hint=REBUILD)
    if manifest.shapes != expected_shapes(manifest.recipe, len(classes)):
        raise ModelError(f"{path}: its shapes contradict its size, classes or precision", hint=REBUILD)
    return manifest


def sealed(manifest: Manifest) -> Manifest:
    """With its checksum."""
    return manifest.model_copy(update={"checksum": _checksum(manifest)})


def as_bytes(manifest: Manifest) -> bytes:
    """The document that ``parse`` reads."""
    return (manifest.model_dump_json(indent=1) + "\n").encode()


def _checksum(manifest: Manifest) -> str:
    # Manifests of before there were such layers, or batches, keep their checksums.
    left_out: dict[str, Any] = {"checksum": True}
    if not manifest.int8_layers:
        left_out["int8_layers"] = True
    if manifest.recipe.batch == 1:
        left_out["recipe"] = {"batch"}
    return hashlib.sha256(manifest.model_dump_json(exclude=left_out).encode()).hexdigest()


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        return f"{place}: {first['msg']}" if place else str(first["msg"])
    return str(error)


def expected_shapes(recipe: Recipe, classes: int) -> dict[str, str]:
    """Input and output as text, dtype first; -1: as many frames as there are."""
    (width, height), logits = recipe.size, "float32" if recipe.precision == "fp32" else "float16"
    channels, frames = classes + recipe.void_output, 1 if recipe.batch == 1 else -1
    return {
        "frame": f"uint8[{frames},{height},{width},3]",
        "logits": f"{logits}[{frames},{channels},{height},{width}]",
    }


def differences(old: Recipe, new: Recipe) -> list[str]:
    """What makes an engine stale, each as ``version: 10.3.0, now 10.7.0``."""
    found = []
    for field in Recipe.model_fields:
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            found.append(f"{field}: {_short(before)}, now {_short(after)}")
    return found


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("name", "another"))
    if isinstance(value, tuple):
        return "x".join(map(str, value)) if all(isinstance(part, int) for part in value) else " ".join(value)
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 else text


@dataclass(frozen=True, eq=False)
class EngineFile:
    """An engine as the commands know models: what its manifest says. ``path`` is the ``.engine``."""

    card: ModelCard
    manifest: Manifest
    path: Path


def engine_file(manifest: Manifest, path: Path) -> EngineFile:
    """With the card that the model had which it was built from."""
    recipe = manifest.recipe
    provenance = {"engine": path.name, "source": manifest.source, "source_sha256": recipe.source_sha256}
    named = (manifest.name, manifest.class_map, recipe.size, recipe.fit, manifest.licence)
    stored: Stored = "int8" if recipe.precision == "int8" else "fp32"
    card = ModelCard(*named, provenance, manifest.calibration, recipe.void_output, stored)
    return EngineFile(card, manifest, path)


def check_suffix(engine: Path) -> None:
    """Raises UsageError: neighbours are named after it, so it must be NAME.engine."""
    if engine.suffix != ENGINE_SUFFIX or engine.stem.endswith(".next"):
        raise UsageError(f"{engine}: not an engine's name", hint="engines are called NAME.engine")


def check_manifest_is_ours(engine: Path) -> None:
    """Raises UsageError: ``NAME.json`` is something else, for example a report, and building would replace it. A
    manifest of ours that is damaged may be replaced: its engine lies beside it.
    """
    path = manifest_path(engine)
    try:
        found = json.loads(path.read_bytes())
    except OSError:
        return
    except (ValueError, RecursionError):
        ours = engine.exists()
    else:
        ours = isinstance(found, dict) and {"format", "recipe", "files"} <= found.keys()
    if not ours:
        what = f"{path}: not an engine's manifest, and an engine of this name would replace it"
        raise UsageError(what, hint=f"move it away, or name the engine otherwise: -o {engine.stem}-2{engine.suffix}")
