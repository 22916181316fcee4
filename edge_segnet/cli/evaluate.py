"""``edge-segnet evaluate``."""

from __future__ import annotations

import math
import sys
from pathlib import Path

from rich.table import Table

from edge_segnet.backends.model import BackendKind, BackendOptions, open_model
from edge_segnet.cli.common import choose, console, json_lines, progress_bar
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import UsageError
from edge_segnet.core.size import parse_size
from edge_segnet.data.pairs import find_pairs
from edge_segnet.graph import card as cards
from edge_segnet.offline import evaluate as evaluating
from edge_segnet.offline.risk_curve import check_plotting, plot


def run(
    images: Path,
    labels: Path,
    *,
    model: str,
    backend: str,
    size: str | None,
    void: int | None,
    curve: Path | None,
    calibrated: Path | None,
    json_target: str | None,
) -> None:
    """Score a model and print the scores; errors as ``evaluate.evaluate``."""
    kind = choose("--backend", backend, BackendKind)
    if curve is not None:
        check_plotting()
    if calibrated is not None and calibrated.suffix != ".onnx":
        raise UsageError(f"--calibrate {calibrated}: a model file ends in .onnx")
    pairs = find_pairs(images, labels)
    opened = open_model(model, None if size is None else parse_size(size), kind, BackendOptions(spinning=True))
    card, engine = opened.card, opened.backend
    with progress_bar("evaluate", len(pairs)) as advance:
        ignored = card.classes.void if void is None else void
        evaluation = evaluating.evaluate(pairs, engine, card.fit, ignored, advance)
    engine.close()
    if curve is not None:
        plot(evaluation.sureness, curve, f"{card.name} on {images.name}")
    if calibrated is not None:
        _calibrate(evaluation, model, images, calibrated)
    with json_lines(json_target) as emit:
        emit(evaluation.to_document(card.classes, card.name, engine.name))
    if json_target != "-":
        console(json_target).print(_table(evaluation, card.classes))
        console(json_target).print(_summary(evaluation, engine.name))


def _calibrate(evaluation: evaluating.Evaluation, model: str, images: Path, out: Path) -> None:
    loaded = cards.load(model)
    weights = cards.fingerprint(loaded.proto)
    calibration = evaluating.calibrate(evaluation, loaded.card, weights, str(images.name))
    cards.save(cards.calibrated(loaded, calibration), out)
    print(  # noqa: T201
        f"{out}: temperature {calibration.temperature:.2f}, winning logit {calibration.winning_mean:.2f} +- "
        f"{calibration.winning_deviation:.2f}",
        file=sys.stderr,
    )


def _summary(evaluation: evaluating.Evaluation, backend: str) -> str:
    scores, sureness = evaluation.scores, evaluation.sureness
    return (
        f"mean IoU {_percent(scores.mean_iou)}   global accuracy {_percent(scores.global_accuracy)}   "
        f"class accuracy {_percent(scores.class_accuracy)}\n"
        f"calibration error {_percent(sureness.calibration_error())}   "
        f"AUROC of wrong pixels {_number(sureness.auroc_of_wrong())}\n"
        f"{evaluation.frames} frames, {evaluation.frames / evaluation.seconds:.1f} frames/s of inference on {backend}"
    )


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


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
