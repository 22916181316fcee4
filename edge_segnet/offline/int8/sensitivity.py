"""What each layer loses in int8: measured with that layer alone in int8, and all others in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from edge_segnet.backends.onnx import CpuOptions, make_session
from edge_segnet.core.types import Frame
from edge_segnet.graph.lower import lower
from edge_segnet.graph.quantise import Layer


@dataclass(frozen=True)
class Loss:
    """``error``: of the logits, against the float32 model's, as a share of their size; ``flipped``: share of pixels
    with another label.
    """

    error: float
    flipped: float


@dataclass(frozen=True)
class Row:
    """A layer of the table; ``loss`` is None where there was no time to measure it."""

    layer: Layer
    loss: Loss | None
    int8: bool = True

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        told = {"name": self.layer.name, "kind": self.layer.kind, "precision": "int8" if self.int8 else "float"}
        if self.loss is None:
            return {**told, "error": None, "flipped": None}
        return {**told, "error": round(self.loss.error, 6), "flipped": round(self.loss.flipped, 6)}


class Probe:
    """Compares models with the float32 one on a few frames."""

    def __init__(self, model: onnx.ModelProto, frames: Sequence[Frame]) -> None:
        self._frames = frames
        self._wanted = self._logits(model)

    def loss(self, model: onnx.ModelProto) -> Loss:
        """What ``model`` loses; raises ModelError where ONNX Runtime refuses it."""
        errors, flipped = [], []
        for found, wanted in zip(self._logits(model), self._wanted, strict=True):
            errors.append(float(np.linalg.norm(found - wanted) / max(float(np.linalg.norm(wanted)), 1e-12)))
            flipped.append(float(np.mean(found.argmax(1) != wanted.argmax(1))))
        return Loss(float(np.mean(errors)), float(np.mean(flipped)))

    def _logits(self, model: onnx.ModelProto) -> list[NDArray[np.float32]]:
        session = make_session(lower(model, "onnxruntime").model.SerializeToString(), CpuOptions(spinning=True))
        return [session.run(["logits"], {"frame": frame.image[np.newaxis]})[0] for frame in self._frames]


def rows(
    layers: Sequence[Layer], loss_of: Callable[[Layer], Loss], in_time: Callable[[], bool], advance: Callable[[], None]
) -> list[Row]:
    """The table, in graph order; what there is no time for has no loss."""
    found = []
    for layer in layers:
        found.append(Row(layer, loss_of(layer) if in_time() else None))
        advance()
    return found


def worst_first(table: Sequence[Row]) -> list[Row]:
    """Whose layers are given up first: by logits' error; unmeasured ones last."""
    return sorted(table, key=lambda row: -1.0 if row.loss is None else row.loss.error, reverse=True)
