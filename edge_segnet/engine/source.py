"""What an engine consists of, and what it was built from."""

from __future__ import annotations

from pathlib import Path

from edge_segnet.core.errors import ModelError
from edge_segnet.engine.manifest import Manifest, cubin_path, golden_path
from edge_segnet.graph.model_files import LoweredModel, OnnxModel


def source_hash(model: OnnxModel | LoweredModel) -> str:
    """SHA-256 of the model's file, and of its weights where they lie in other files; raises ModelError: it has none."""
    if not model.sha256:
        raise ModelError(f"{model.card.name}: an engine is built from an .onnx file")
    return model.sha256


def listed(engine: Path, manifest: Manifest) -> dict[Path, str]:
    """The engine's files and the hashes that the manifest gives them."""
    cubins = {cubin_path(engine, arch): wanted for arch, wanted in manifest.files.cubins.items()}
    return {engine: manifest.files.engine, golden_path(engine): manifest.files.golden, **cubins}
