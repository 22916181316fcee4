"""Engine files for tests: real ones from TensorRT-RTX where it is installed, and forged ones that need no TensorRT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_segnet.backends.onnx import OnnxBackend
from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Frame
from edge_segnet.engine import golden, trust
from edge_segnet.engine.files import replace_all, sha256
from edge_segnet.engine.library import Library, find_library
from edge_segnet.engine.manifest import (
    FORMAT,
    Files,
    Manifest,
    Recipe,
    as_bytes,
    cubin_path,
    expected_shapes,
    golden_path,
    sealed,
)
from edge_segnet.engine.source import listed, source_hash
from edge_segnet.graph import card as cards


def rtx() -> Library:
    """TensorRT-RTX, or a skip."""
    try:
        return find_library("tensorrt-rtx")
    except ModelError as error:
        pytest.skip(str(error))


def forge(
    engine: Path,
    model: Path,
    *,
    flavour: str = "tensorrt",
    version: str = "10.3.0",
    trusted: bool = True,
    batch: int = 1,
) -> Manifest:
    """A set of engine files that are right in every formality; the plan is no plan."""
    onnx_model = cards.load(str(model))
    image = golden.golden_frame(onnx_model.card.size, onnx_model.card.fit)
    labels = golden.encode_labels(OnnxBackend(onnx_model).infer([Frame(image, None, 0, 0, 0.0, "")])[0].labels)
    plan, cubin = b"plan " + np.random.default_rng(0).bytes(2000), b"cubin"
    recipe = Recipe.model_validate(
        {
            "source_sha256": source_hash(onnx_model),
            "classes": onnx_model.card.classes.to_dict(),
            "fit": onnx_model.card.fit,
            "flavour": flavour,
            "version": version,
            "cuda": "nvcc 12.6",
            "compute_capabilities": ("8.7",),
            "precision": "fp32",
            "size": onnx_model.card.size,
            "workspace_mb": None,
            "optimization_level": None,
            "kernel_sha256": "0" * 64,
            "golden_frame_sha256": "0" * 64,
            "batch": batch,
        }
    )
    manifest = Manifest(
        format=FORMAT,
        name=onnx_model.card.name,
        source=str(model),
        licence="",
        recipe=recipe,
        files=Files(engine=sha256(plan), cubins={"sm_87": sha256(cubin)}, golden=sha256(labels)),
        shapes=expected_shapes(recipe, len(onnx_model.card.classes)),
        built_at="2026-01-01T00:00:00+00:00",
        build_seconds=1.0,
        edge_segnet="0",
    )
    engine.parent.mkdir(parents=True, exist_ok=True)
    contents = {engine: plan, golden_path(engine): labels, cubin_path(engine, "sm_87"): cubin}
    replace_all(engine, contents, as_bytes(sealed(manifest)))
    assert set(listed(engine, manifest)) == contents.keys()
    if trusted:
        trust.remember(engine)
    return manifest
