"""Engine files -> bytes that may be loaded. What can be checked is checked before TensorRT sees a byte: manifest,
owners, hashes, versions, GPU. A plan is native code, and its deserialiser was not written for strangers' bytes.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from edge_segnet.core.errors import InputError, ModelError, OutputError
from edge_segnet.core.types import Labels
from edge_segnet.cuda.compile import architecture
from edge_segnet.cuda.interface import DeviceInfo
from edge_segnet.cuda.probe import Gpu
from edge_segnet.engine.files import check_folder, finish, read_trusted, sha256
from edge_segnet.engine.folders import engine_folders
from edge_segnet.engine.library import Library
from edge_segnet.engine.manifest import (
    REBUILD,
    EngineFile,
    Manifest,
    check_suffix,
    cubin_path,
    engine_file,
    golden_path,
    manifest_path,
    parse,
)
from edge_segnet.engine.source import listed, source_hash
from edge_segnet.engine.trust import is_trusted
from edge_segnet.graph.model_files import ENGINE_SUFFIX, LoweredModel, OnnxModel
from edge_segnet.pictures.files import decode_labels

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Verified:
    """Engine files whose owners and hashes are right; the bytes here are those that were hashed."""

    engine: Path
    manifest: Manifest
    plan: bytes
    cubins: dict[str, bytes]
    golden: Labels


def find_engine(model: OnnxModel | LoweredModel | EngineFile) -> Path:
    """The engine file of a model: itself, or the one of its file's name.

    Raises:
        ModelError: there is none.
    """
    if isinstance(model, EngineFile):
        return model.path
    return find_engine_of(model.path if model.path is not None else Path(model.card.name))


def find_engine_of(model: Path) -> Path:
    """The engine file that stands for a model file; raises ModelError: there is none, or it is somebody's."""
    name = model.stem
    places = [folder / f"{name}{ENGINE_SUFFIX}" for folder in engine_folders()]
    for place in places:
        if place.exists() or manifest_path(place).exists():
            if not is_trusted(place):
                raise ModelError(
                    f"{place}: not built by this user, and an engine is native code",
                    hint=f"build it here: edge-segnet build-engine {model}; or name it, if you trust it: -m {place}",
                )
            return place
    raise ModelError(f"no engine {' or '.join(map(str, places))}", hint=f"build it: edge-segnet build-engine {model}")


def describe_engine(engine: Path) -> EngineFile:
    """What an engine's manifest says: classes, size, fit, licence.

    Raises:
        ModelError: there is no trustworthy manifest.
    """
    check_suffix(engine)
    return engine_file(parse(read_trusted(manifest_path(engine)), manifest_path(engine)), engine)


def verify(engine: Path) -> Verified:
    """Read and check all files of an engine. Imports neither TensorRT nor pycuda.

    Raises:
        ModelError: a file is missing, open to others, or not the one that was built.
    """
    check_suffix(engine)
    try:
        finish(engine)
    except OutputError as error:  # a read-only folder; what is there may still be whole
        logger.warning("%s", error)
    path = manifest_path(engine)
    manifest = parse(read_trusted(path), path)
    check_folder(engine.parent)
    contents = {}
    for file, wanted in listed(engine, manifest).items():
        contents[file] = read_trusted(file)
        if (found := sha256(contents[file])) != wanted:
            raise ModelError(
                f"{file}: SHA-256 {found[:12]}..., the manifest says {wanted[:12]}...: changed, cut off or mixed up",
                hint=f"{REBUILD} {manifest.source}",
            )
    try:
        golden = decode_labels(contents[golden_path(engine)], golden_path(engine))
    except InputError as error:
        raise ModelError(error.message, hint=REBUILD) from error
    if golden.shape != manifest.frame_shape[1:3]:
        raise ModelError(f"{golden_path(engine)}: not of the network's size", hint=REBUILD)
    cubins = {arch: contents[cubin_path(engine, arch)] for arch in manifest.files.cubins}
    return Verified(engine, manifest, contents[engine], cubins, golden)


def check_source(verified: Verified, model: OnnxModel | LoweredModel | EngineFile) -> None:
    """Raises ModelError: the engine was built from another model, or at another size."""
    if isinstance(model, EngineFile):
        return
    card = model.card
    recipe = verified.manifest.recipe
    problem = ""
    if recipe.size != card.size:
        problem = "it is for {}x{}, not {}x{}".format(*recipe.size, *card.size)
    elif recipe.classes["classes"] and verified.manifest.class_map.names != card.classes.names:
        problem = "it has other classes"
    elif recipe.source_sha256 != source_hash(model):
        problem = f"it was built from another {model.path}"
    if problem:
        size = "{}x{}".format(*card.size)
        raise ModelError(f"{verified.engine}: stale, {problem}", hint=f"{REBUILD} {model.path} --size {size}")


def check_machine(verified: Verified, library: Library, device: DeviceInfo | Gpu) -> bytes:
    """The kernel for this GPU.

    Raises:
        ModelError: another TensorRT or another GPU than the engine was built for.
    """
    recipe = verified.manifest.recipe
    if (recipe.flavour, recipe.version) != (library.flavour, library.version):
        raise ModelError(
            f"{verified.engine}: stale, built by {recipe.flavour} {recipe.version}, here is "
            f"{library.flavour} {library.version}",
            hint=f"{REBUILD} {verified.manifest.source}",
        )
    here = "{}.{}".format(*device.compute_capability)
    kernel = verified.cubins.get(architecture(device.compute_capability))
    if here not in recipe.compute_capabilities or kernel is None:
        raise ModelError(
            f"{verified.engine}: built for compute capability {' '.join(recipe.compute_capabilities)}, "
            f"this {device.name} has {here}",
            hint=f"{REBUILD} {verified.manifest.source}",
        )
    return kernel
