"""``edge-segnet evaluate``."""

from __future__ import annotations

import math
from pathlib import Path

from rich.table import Table

from edge_segnet.backends.model import BackendKind, BackendOptions, open_model
from edge_segnet.cli.common import choose, console, json_lines, progress_bar
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.size import parse_size
from edge_segnet.data.pairs import find_pairs
from edge_segnet.offline import evaluate as evaluating


def run(
    images: Path, labels: Path, *, model: str, backend: str, size: str | None, void: int | None, json_target: str | None
) -> None:
    """Score a model and print the scores; errors as ``evaluate.evaluate``."""
    kind = choose("--backend", backend, BackendKind)
    pairs = find_pairs(images, labels)
    opened = open_model(model, None if size is None else parse_size(size), kind, BackendOptions(spinning=True))
    card, engine = opened.card, opened.backend
    with progress_bar("evaluate", len(pairs)) as advance:
        ignored = card.classes.void if void is None else void
        evaluation = evaluating.evaluate(pairs, engine, card.fit, ignored, advance)
    with json_lines(json_target) as emit:
        emit(evaluation.to_document(card.classes, card.name, engine.name))
    if json_target != "-":
        console(json_target).print(_table(evaluation, card.classes))
        scores = evaluation.scores
        console(json_target).print(
            f"mean IoU {_percent(scores.mean_iou)}   global accuracy {_percent(scores.global_accuracy)}   "
            f"class accuracy {_percent(scores.class_accuracy)}\n{evaluation.frames} frames, "
            f"{evaluation.frames / evaluation.seconds:.1f} frames/s of inference on {engine.name}"
        )
    engine.close()


def _table(evaluation: evaluating.Evaluation, classes: ClassMap) -> Table:
    table = Table("class", "IoU", "accuracy", "pixels in truth", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    scores, pixels = evaluation.scores, evaluation.matrix.sum(axis=1)
    for name, iou, accuracy, count in zip(classes.names, scores.iou, scores.accuracy, pixels, strict=True):
        table.add_row(name, _percent(iou), _percent(accuracy), f"{count:,}")
    return table


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"
