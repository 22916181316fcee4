"""When an INT8 model is good enough: judged by labels where there are some, else by what the float32 model sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from edge_segnet.backends.model import BackendOptions, open_backend
from edge_segnet.core.soundness import require_valid
from edge_segnet.core.types import Frame, Labels
from edge_segnet.data.labels.alignment import Alignment
from edge_segnet.data.pairs import Pair
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.offline.evaluate import evaluate

LEAST_ALIKE: Final = 0.96
"""Share of pixels with the float32 model's label, where nobody knows the truth."""


@dataclass(frozen=True)
class Verdict:
    """``measured`` beside its ``bound``, both in the gate's own unit, and whether that is good enough."""

    what: str
    measured: float
    bound: float
    holds: bool
    facts: dict[str, float]

    def __str__(self) -> str:
        return f"{self.what} {self.measured:.2f} (bound {self.bound:g})"


class Gate(Protocol):
    def judge(self, model: OnnxModel) -> Verdict:
        """Whether ``model`` may stand for the float32 model that the gate was made with."""
        ...


class Agreement:
    """At least ``LEAST_ALIKE`` of the labels are the float32 model's."""

    def __init__(self, model: OnnxModel, frames: Sequence[Frame]) -> None:
        self._frames = frames
        self._wanted = labels_of(model, frames)

    def judge(self, model: OnnxModel) -> Verdict:
        """In per cent of the pixels."""
        alike = share_alike(labels_of(model, self._frames), self._wanted)
        facts = {"agreement": round(alike, 5)}
        return Verdict("labels alike, %:", 100 * alike, 100 * LEAST_ALIKE, alike >= LEAST_ALIKE, facts)


class MeanIou:
    """The mean IoU on labelled pictures is at most ``max_drop`` points below the float32 model's."""

    def __init__(self, model: OnnxModel, pairs: Sequence[Pair], alignment: Alignment, max_drop: float) -> None:
        self._pairs, self._alignment, self._max_drop = pairs, alignment, max_drop
        self._before = self._mean_iou(model)

    def judge(self, model: OnnxModel) -> Verdict:
        """In points, hundredths of mean IoU."""
        after = self._mean_iou(model)
        drop = 100 * (self._before - after)
        facts = {"mean_iou_fp32": round(self._before, 5), "mean_iou": round(after, 5)}
        return Verdict("mean IoU drops by, points:", drop, self._max_drop, drop <= self._max_drop, facts)

    def _mean_iou(self, model: OnnxModel) -> float:
        backend = open_backend(model, "onnx", BackendOptions(spinning=True))
        try:
            return float(evaluate(self._pairs, backend, model.card.fit, self._alignment).scores.mean_iou)
        finally:
            backend.close()


def labels_of(model: OnnxModel, frames: Sequence[Frame]) -> list[Labels]:
    """What ONNX Runtime sees in each frame; raises ModelError."""
    backend = open_backend(model, "onnx", BackendOptions(spinning=True))
    try:
        return [require_valid(found, model.card.name).labels for found in backend.infer(frames)]
    finally:
        backend.close()


def share_alike(found: Sequence[Labels], wanted: Sequence[Labels]) -> float:
    """Of all pixels of all frames, 0..1."""
    return float(np.mean([np.mean(one == other) for one, other in zip(found, wanted, strict=True)]))
