"""Backends run models. ``open_backend`` is the one place that chooses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_segnet.errors import ModelError
from edge_segnet.graph.bundle import Bundle
from edge_segnet.types import Backend

BackendKind = Literal["auto", "onnx", "tensorrt"]


@dataclass(frozen=True)
class BackendOptions:
    """``threads`` and ``spinning`` are the CPU's (see ``backends.onnx.CpuOptions``)."""

    threads: int = 0
    spinning: bool = False


def open_backend(bundle: Bundle, kind: BackendKind = "auto", options: BackendOptions | None = None) -> Backend:
    """Open a model on the hardware at hand.

    Raises:
        ModelError: the model can't run there, or the backend is not available on this machine.
    """
    if kind == "tensorrt":
        raise ModelError("the tensorrt backend is not part of this release", hint="use --backend onnx")
    from edge_segnet.backends.onnx import CpuOptions, OnnxBackend

    options = options or BackendOptions()
    return OnnxBackend(bundle, CpuOptions(options.threads, options.spinning))
