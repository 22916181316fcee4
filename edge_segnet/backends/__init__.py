"""Backends run models. ``open_backend`` is the one place that chooses."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge_segnet.core.errors import DeviceLost, ModelError
from edge_segnet.core.types import Backend
from edge_segnet.cuda.interface import Memory
from edge_segnet.cuda.probe import find_gpu
from edge_segnet.graph import bundle as bundles
from edge_segnet.graph.bundle import ENGINE_SUFFIX, Bundle

logger = logging.getLogger(__name__)
BackendKind = Literal["auto", "onnx", "tensorrt"]


@dataclass(frozen=True)
class BackendOptions:
    """``threads`` and ``spinning`` are the CPU's (see ``backends.onnx.CpuOptions``), ``memory`` is the GPU loop's.

    ``fallback``: may the CPU serve in the place of an engine that is there but fails (damaged, stale, self-test)? None
    means yes for "auto" and no for "tensorrt". Where there is no GPU or no engine at all, "auto" takes the CPU anyway.
    """

    threads: int = 0
    spinning: bool = False
    memory: Memory = "auto"
    fallback: bool | None = None


def read_model(model: str) -> Bundle:
    """A shipped NAME, an .onnx or a .engine file; raises ModelError."""
    if not model.endswith(ENGINE_SUFFIX):
        return bundles.load(model)
    from edge_segnet.engine.load import describe_engine

    return describe_engine(Path(model))


def open_backend(bundle: Bundle, kind: BackendKind = "auto", options: BackendOptions | None = None) -> Backend:
    """Open a model on the hardware at hand; a TensorRT engine has passed its self-test when this returns.

    Raises:
        ModelError: the model can't run there, or the backend is not available on this machine.
        DeviceLost: the GPU has too little memory, or fails.
    """
    options = options or BackendOptions()
    if kind == "onnx":
        return _open_onnx(bundle, options)
    may_fall_back = kind == "auto" if options.fallback is None else options.fallback
    try:
        if kind == "auto":
            find_gpu()
        from edge_segnet.engine.load import find_engine

        engine = find_engine(bundle)
    except ModelError as error:
        if kind == "auto" or may_fall_back:
            return _fall_back(bundle, options, error)
        find_gpu()  # where there is none, that is the better reason
        raise
    try:
        from edge_segnet.backends.tensorrt import open_engine

        return open_engine(engine, bundle, options.memory)
    except (ModelError, DeviceLost) as error:
        if not may_fall_back:
            raise
        return _fall_back(bundle, options, error)


def _fall_back(bundle: Bundle, options: BackendOptions, reason: ModelError | DeviceLost) -> Backend:
    logger.warning("warning: running on the CPU, not on TensorRT: %s", reason)
    return _open_onnx(bundle, options)


def _open_onnx(bundle: Bundle, options: BackendOptions) -> Backend:
    from edge_segnet.backends.onnx import CpuOptions, OnnxBackend

    if bundle.is_engine:
        from edge_segnet.engine.load import load_source

        bundle = load_source(bundle)
    return OnnxBackend(bundle, CpuOptions(options.threads, options.spinning))
