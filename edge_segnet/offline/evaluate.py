"""``edge-segnet evaluate``: a model against labelled pictures, scored as the SegNet papers do, at label size."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.stats import Scores, confusion, scores
from edge_segnet.core.types import Backend, Fit, Frame
from edge_segnet.data.pairs import Pair
from edge_segnet.pictures.shape import fit_image, unfit_labels


@dataclass(frozen=True)
class Evaluation:
    """``matrix`` is int64 [C, C+1]: rows truth, columns prediction, the last one for void predictions."""

    scores: Scores
    matrix: NDArray[np.int64]
    frames: int
    seconds: float

    def to_document(self, classes: ClassMap, model: str, backend: str) -> dict[str, Any]:
        """The JSON form; a class that occurs neither in truth nor in the results has IoU null."""
        return {
            "global_accuracy": _rounded(self.scores.global_accuracy),
            "class_accuracy": _rounded(self.scores.class_accuracy),
            "mean_iou": _rounded(self.scores.mean_iou),
            "iou": {name: _rounded(value) for name, value in zip(classes.names, self.scores.iou, strict=True)},
            "confusion": {"classes": [*classes.names, "void"], "matrix": self.matrix.tolist()},
            "frames": self.frames,
            "frames_per_second": round(self.frames / self.seconds, 2),
            "model": model,
            "backend": backend,
        }


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 5)


def evaluate(
    pairs: Sequence[Pair], backend: Backend, fit: Fit, void: int, advance: Callable[[], None] = lambda: None
) -> Evaluation:
    """Score ``backend`` on every pair; ``void`` is the label value to leave out; ``advance`` is called per frame.

    Frames per second count inference alone.

    Raises:
        InputError: a pair is broken, differs in size, or has an unknown label value.
    """
    classes = len(backend.classes)
    matrix = np.zeros((classes, classes + 1), np.int64)
    seconds = 0.0
    for seq, pair in enumerate(pairs):
        image, truth = pair.read(classes, void)
        frame = Frame(fit_image(image, backend.input_size, fit), image, seq, time.monotonic_ns(), time.time(), "files")
        started = time.perf_counter()
        predicted = backend.infer(frame).labels
        seconds += time.perf_counter() - started
        matrix += confusion(truth, unfit_labels(predicted, frame.source_size, classes, fit), classes)
        advance()
    return Evaluation(scores(matrix), matrix, len(pairs), seconds)
