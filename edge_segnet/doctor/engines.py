"""Engines and their manifests against this machine: the checks of loading, without loading."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from edge_segnet.core.errors import EdgeSegnetError, ModelError
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.gpu import is_wanted, trouble
from edge_segnet.doctor.report import MODEL, Finding, green, grey, red
from edge_segnet.graph.model_files import find_model

if TYPE_CHECKING:
    from edge_segnet.cuda.probe import Gpu
    from edge_segnet.engine.load import Verified
    from edge_segnet.engine.manifest import Manifest


def check(context: Context) -> Iterator[Finding]:
    """Every engine where the service looks, and the settings' own."""
    from edge_segnet.engine.folders import engine_folders

    wanted, missing = _of_settings(context)
    places = {path for folder in engine_folders() for path in _listed(folder)}
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


def _of_settings(context: Context) -> tuple[Path | None, ModelError | None]:
    """The engine that the service would take, or why there is none."""
    if context.served is None or context.served.backend == "onnx":
        return None, None
    model = context.served.model
    if model.endswith(".engine"):
        return Path(model), None
    from edge_segnet.engine.load import find_engine_of

    try:
        return find_engine_of(find_model(model)), None
    except ModelError as error:
        return None, error


def _engine(context: Context, path: Path, *, mine: bool) -> Finding:
    from edge_segnet.engine.library import gpu_here

    try:
        manifest = _verified(path)
        if mine and context.served is not None and not context.served.model.endswith(".engine"):
            _fits_model(context.served.model, context.served.network_size, path, manifest)
        recipe = manifest.recipe
        size = "{}x{}".format(*recipe.size)
        words = f"{path}: {recipe.flavour} {recipe.version}, {recipe.precision}, {size}, built {manifest.built_at[:10]}"
        gpu = gpu_here()
        if gpu is None:
            return grey("engine", f"{words}; whole, but no GPU is here to run it", path.name)
        _fits_machine(path, manifest, gpu)
    except EdgeSegnetError as error:
        if mine:
            return trouble(context, "engine", error.message, error.hint, path.name)
        return grey("engine", f"not in use, and unusable here: {error.message}", path.name)
    return green("engine", words, path.name, used=mine)


def _verified(path: Path) -> Manifest:
    """The manifest, when all files are those that it lists; unlike ``engine.load.verify`` nothing is put right."""
    from edge_segnet.engine import files
    from edge_segnet.engine import manifest as manifests
    from edge_segnet.engine.source import listed

    place = manifests.manifest_path(path)
    manifest = manifests.parse(files.read_trusted(place), place)
    files.check_folder(path.parent)
    for file, wanted in listed(path, manifest).items():
        if files.sha256(files.read_trusted(file)) != wanted:
            raise ModelError(f"{file}: not the file that the manifest lists", hint=manifests.REBUILD)
    return manifest


def _fits_model(model: str, size: tuple[int, int] | None, path: Path, manifest: Manifest) -> None:
    from edge_segnet.backends.model import read_model
    from edge_segnet.engine.load import check_source

    check_source(_seen(path, manifest), read_model(model, size))


def _fits_machine(path: Path, manifest: Manifest, gpu: Gpu) -> None:
    from edge_segnet.engine.library import find_library
    from edge_segnet.engine.load import check_machine

    check_machine(_seen(path, manifest), find_library(manifest.recipe.flavour), gpu)


def _seen(path: Path, manifest: Manifest) -> Verified:
    """What the checks of loading look at, without the files' contents."""
    return cast("Verified", SimpleNamespace(engine=path, manifest=manifest, cubins=manifest.files.cubins))
