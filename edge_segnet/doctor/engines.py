"""Engines and their manifests against this machine: the checks of loading, without loading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from edge_segnet.doctor.context import Context
from edge_segnet.doctor.gpu import is_wanted, part, trouble
from edge_segnet.doctor.report import MODEL, Finding, green, grey, red
from edge_segnet.errors import EdgeSegnetError, ModelError
from edge_segnet.graph import bundle as bundles


def check(context: Context) -> Iterator[Finding]:
    """Every engine where the service looks, and the settings' own."""
    load = part("engine.load")
    if load is None:
        if is_wanted(context):
            remedy = "backend: auto, or a newer edge-segnet"
            yield red("engine", MODEL, "the settings need TensorRT, this build has none", remedy)
        else:
            yield grey("engine", "this build of edge-segnet has no TensorRT part")
        return
    wanted, missing = _of_settings(context, load)
    places = {path for folder in load.engine_folders() for path in _listed(folder)}
    for path in sorted(places | ({wanted} if wanted else set())):
        yield _engine(context, path, mine=path == wanted)
    if missing is not None and is_wanted(context):
        yield red("engine", MODEL, missing.message, missing.hint)
    elif missing is not None and not places:
        yield grey("engine", "no engine here; edge-segnet build-engine makes one")


def _listed(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.glob("*.engine") if not path.stem.endswith(".next")]
    except OSError:
        return []


def _of_settings(context: Context, load: Any) -> tuple[Path | None, ModelError | None]:
    """The engine that the service would take, or why there is none."""
    if context.config is None or context.config.backend == "onnx":
        return None, None
    model = context.config.model
    if model.endswith(".engine"):
        return Path(model), None
    try:
        return Path(load.find_engine(bundles.load(model))), None
    except ModelError as error:
        return None, error


def _engine(context: Context, path: Path, *, mine: bool) -> Finding:
    try:
        manifest = _verified(path)
        if mine and context.config is not None and not context.config.model.endswith(".engine"):
            _fits_model(context.config.model, context.config.size, path, manifest)
        recipe = manifest.recipe
        size = "{}x{}".format(*recipe.size)
        words = f"{path}: {recipe.flavour} {recipe.version}, {recipe.precision}, {size}, built {manifest.built_at[:10]}"
        gpu = part("engine.library").gpu_here()
        if gpu is None:
            return grey("engine", f"{words}; whole, but no GPU is here to run it", path.name)
        _fits_machine(path, manifest, gpu)
    except EdgeSegnetError as error:
        if mine:
            return trouble(context, "engine", error.message, error.hint, path.name)
        return grey("engine", f"not in use, and unusable here: {error.message}", path.name)
    return green("engine", words, path.name, used=mine)


def _verified(path: Path) -> Any:
    """The manifest, when all files are those that it lists; unlike ``engine.load.verify`` nothing is put right."""
    manifests, files, build = part("engine.manifest"), part("engine.files"), part("engine.build")
    place = manifests.manifest_path(path)
    manifest = manifests.parse(files.read_trusted(place), place)
    files.check_folder(path.parent)
    for file, wanted in build.listed(path, manifest).items():
        if files.sha256(files.read_trusted(file)) != wanted:
            raise ModelError(f"{file}: not the file that the manifest lists", hint=manifests.REBUILD)
    return manifest


def _fits_model(model: str, size: str | None, path: Path, manifest: Any) -> None:
    bundle = bundles.load(model)
    if size not in (None, "auto"):
        width, height = str(size).split("x")
        bundle = bundles.resized(bundle, (int(width), int(height)))
    part("engine.load").check_source(SimpleNamespace(engine=path, manifest=manifest), bundle)


def _fits_machine(path: Path, manifest: Any, gpu: Any) -> None:
    library = part("engine.library").find_library(manifest.recipe.flavour)
    listed = SimpleNamespace(engine=path, manifest=manifest, cubins=manifest.files.cubins)
    part("engine.load").check_machine(listed, library, gpu)
