"""``edge-segnet evaluate``: a model against labelled pictures, scored as the SegNet papers do, at label size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.calibration import Calibration
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import InputError
from edge_segnet.core.reliability import Tally, tally
from edge_segnet.core.soundness import require_valid
from edge_segnet.core.stats import Scores, confusion, scores
from edge_segnet.core.types import Backend, Fit, Frame, Image, Labels
from edge_segnet.data.labels.alignment import Alignment
from edge_segnet.graph.model_files import ModelCard
from edge_segnet.pictures.shape import fit_image, unfit_labels


@dataclass(frozen=True)
class Evaluation:
    """``matrix`` is int64 [C, C+1]: rows truth, columns prediction, the last one for void predictions. ``winning``:
    mean of the winning logits of every frame, float64 [frames].
    """

    scores: Scores
    matrix: NDArray[np.int64]
    sureness: Tally
    winning: NDArray[np.float64]
    frames: int
    seconds: float

    def to_document(self, classes: ClassMap, model: str, backend: str) -> dict[str, Any]:
        """The JSON form; a class that occurs neither in truth nor in the results has IoU null."""
        return {
            "global_accuracy": _rounded(self.scores.global_accuracy),
            "class_accuracy": _rounded(self.scores.class_accuracy),
            "mean_iou": _rounded(self.scores.mean_iou),
            "iou": {name: _rounded(value) for name, value in zip(classes.names, self.scores.iou, strict=True)},
            "calibration_error": _rounded(self.sureness.calibration_error()),
            "auroc_of_wrong": _rounded(self.sureness.auroc_of_wrong()),
            "confusion": {"classes": [*classes.names, "void"], "matrix": self.matrix.tolist()},
            "frames": self.frames,
            "frames_per_second": round(self.frames / self.seconds, 2),
            "model": model,
            "backend": backend,
        }


class Labelled(Protocol):
    """A picture and its labels."""

    def read(self, classes: int, void: int) -> tuple[Image, Labels]:
        """As ``data.pairs.Pair.read``; raises InputError."""
        ...


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 5)


def evaluate(
    pairs: Iterable[Labelled],
    backend: Backend,
    fit: Fit,
    alignment: Alignment,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Score ``backend`` on every pair; ``alignment``: what the labels' ids are among the model's; ``advance`` is called
    per frame.

    Frames per second count inference alone.

    Raises:
        InputError: a pair is broken, differs in size, or has an unknown label value.
    """

    def found() -> Iterator[Scored]:
        for seq, pair in enumerate(pairs):
            image, truth = pair.read(alignment.count, alignment.void)
            yield score(image, truth, seq, backend, fit, alignment)
            advance()

    return summed(found(), len(backend.classes))


@dataclass(frozen=True, eq=False)
class Scored:
    """What a model made of one picture: ``truth`` and ``labels`` uint8 [H,W] at label size, in the alignment's ids;
    the rest as ``Evaluation`` sums it up.
    """

    truth: Labels
    labels: Labels
    matrix: NDArray[np.int64]
    sureness: Tally
    winning: float | None
    seconds: float


def score(image: Image, truth: Labels, seq: int, backend: Backend, fit: Fit, alignment: Alignment) -> Scored:
    """Segment a picture uint8 [H,W,3] and hold it against its labels uint8 [H,W], as ``Pair.read`` gives both; raises
    ModelError.
    """
    classes = len(backend.classes)
    truth = alignment.truth[truth]
    frame = Frame(fit_image(image, backend.input_size, fit), image, seq, time.monotonic_ns(), time.time(), "files")
    started = time.perf_counter()
    found = require_valid(backend.infer([frame])[0], backend.name)
    seconds = time.perf_counter() - started
    size = (truth.shape[1], truth.shape[0])
    labels = alignment.predicted[unfit_labels(found.labels, size, classes, fit)]
    sureness = Tally.empty()
    if found.margins is not None:
        sureness = tally(truth, labels, unfit_labels(found.margins, size, 0, fit), classes)
    return Scored(truth, labels, confusion(truth, labels, classes), sureness, found.winning, seconds)


def summed(found: Iterable[Scored], classes: int) -> Evaluation:
    """All pictures together."""
    matrix, sureness = np.zeros((classes, classes + 1), np.int64), Tally.empty()
    winning: list[float] = []
    frames, seconds = 0, 0.0
    for each in found:
        matrix += each.matrix
        sureness += each.sureness
        winning += [] if each.winning is None else [each.winning]
        seconds += each.seconds
        frames += 1
    return Evaluation(scores(matrix), matrix, sureness, np.array(winning), frames, seconds)


def calibrate(evaluation: Evaluation, card: ModelCard, weights: str, where: str) -> Calibration:
    """What an evaluation of the model ``card`` on pictures that it has not learnt from says of its sureness.

    Raises:
        InputError: fewer than two frames, or no wrong and right pixels.
    """
    frames = evaluation.winning
    if len(frames) < 2 or np.isnan(evaluation.sureness.auroc_of_wrong()):
        raise InputError(f"{where}: too little to calibrate with", hint="give at least two labelled pictures")
    temperature = card.temperature * evaluation.sureness.fit_temperature()
    spread = max(float(frames.std(ddof=1)), 1e-6)
    words = f"{len(frames)} pictures of {where}"
    return Calibration(round(temperature, 4), round(float(frames.mean()), 4), round(spread, 4), weights, words)
