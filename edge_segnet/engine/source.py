"""What an engine is built from, as a hash."""

from __future__ import annotations

from pathlib import Path

import onnx

from edge_segnet.core.errors import ModelError
from edge_segnet.engine.files import sha256
from edge_segnet.engine.manifest import (
    Manifest,
    cubin_path,
    golden_path,
)
from edge_segnet.graph.bundle import Bundle


def source_hash(bundle: Bundle) -> str:
    """SHA-256 of the model's file, and of its weights where they lie in other files.

    Raises:
        ModelError: it has no file, or the file is gone.
    """
    if bundle.path is None or bundle.is_engine:
        raise ModelError(f"{bundle.name}: an engine is built from an .onnx file")
    try:
        data = bundle.path.read_bytes()
    except OSError as error:
        raise ModelError(f"{bundle.path}: {error.strerror or error}") from error
    stored = onnx.load_model_from_string(data)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in stored.graph.initializer):
        data += b"".join(tensor.raw_data for tensor in bundle.model.graph.initializer)
    return sha256(data)


def listed(engine: Path, manifest: Manifest) -> dict[Path, str]:
    """The engine's files and the hashes that the manifest gives them."""
    cubins = {cubin_path(engine, arch): wanted for arch, wanted in manifest.files.cubins.items()}
    return {engine: manifest.files.engine, golden_path(engine): manifest.files.golden, **cubins}
