"""``edge-segnet evaluate``."""

from __future__ import annotations

import logging
import math
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from edge_segnet.backends.model import BackendKind, BackendOptions, open_model, read_onnx
from edge_segnet.cli import comparison as comparing
from edge_segnet.cli.alignment import Ids, align
from edge_segnet.cli.command import program
from edge_segnet.cli.common import choose, console, json_lines, progress_bar, renaming
from edge_segnet.cli.options import BackendName, Ignored, Json, Model, Size, TruthClasses
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import BudgetMissed, UsageError
from edge_segnet.core.size import parse_optional
from edge_segnet.data.labels.alignment import Alignment
from edge_segnet.data.recorded import Truth
from edge_segnet.data.truths import find_truths
from edge_segnet.graph import card as cards
from edge_segnet.offline import compare as compares
from edge_segnet.offline import evaluate as evaluating
from edge_segnet.offline.compare import Contender
from edge_segnet.offline.gate import check_names, judge, parse_gate
from edge_segnet.offline.risk_curve import check_plotting, plot
from edge_segnet.pictures.files import write_image

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluate:
    """Score a model on labelled pictures: global and class accuracy, mean and per-class IoU, confusion matrix; and how
    far its sureness can be trusted: calibration error, AUROC of wrong pixels by margin.

    Classes are matched by name: the labels' class map is --classes, or the data set's classes.yaml.

    With --compare, two models on the same pictures: what changed, for which class, and whether it may be luck; exit
    code 7 where NEW misses the --gate.
    """

    images: Annotated[
        list[Path],
        typer.Option(metavar="DIR", help="Pictures, a recording (drive.mcap), a folder or glob of them; repeatable."),
    ]
    labels: Annotated[
        list[Path],
        typer.Option(metavar="DIR", help="Label PNGs of the same names or numbers, or recordings with labels."),
    ]
    model: Model = "segnet-lite"
    backend: BackendName = "auto"
    size: Size = None
    void: Ignored = None
    classes: TruthClasses = None
    merge: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="Score a class of the labels or the model as NEW; may be repeated."),
    ] = None
    drop: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A class of the labels that is not scored; repeatable.")
    ] = None
    curve: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw risk over coverage and the calibration there.")
    ] = None
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="ONNX", help="Write the model there, calibrated with pictures it has not learnt from."),
    ] = None
    compare: Annotated[
        tuple[str, str] | None, typer.Option(metavar="OLD NEW", help="Compare two models, in place of --model.")
    ] = None
    gate: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="What NEW must reach, NEW - OLD in points: 'mean_iou >= -0.0; Pedestrian >= -0.5'."
        ),
    ] = None
    sheet: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw the frames on which OLD and NEW differ most.")
    ] = None
    drives: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="What names the drive in a file's name; the name without its number if left out.",
        ),
    ] = None
    json: Json = None

    def run(self) -> None:
        """Score a model and print the scores; errors as ``evaluate.evaluate`` and ``compare.compare``.

        Raises:
            UsageError: flags that don't go together, a gate that is none.
            BudgetMissed: NEW misses the gate.
        """
        kind = choose("--backend", self.backend, BackendKind)
        if self.compare is not None:
            self._compare(*self.compare, kind)
            return
        if self.gate is not None or self.sheet is not None or self.drives is not None:
            raise UsageError("--gate, --sheet and --drives belong to --compare", hint="give --compare OLD NEW")
        if self.curve is not None:
            check_plotting()
        if self.calibrate is not None and self.calibrate.suffix != ".onnx":
            raise UsageError(f"--calibrate {self.calibrate}: a model file ends in .onnx")
        truth = find_truths(self.images, self.labels)
        opened = open_model(self.model, parse_optional(self.size), kind, BackendOptions(spinning=True))
        card, engine = opened.card, opened.backend
        alignment = self._align(truth, card.classes)
        with progress_bar("evaluate", truth.count) as advance:
            evaluation = evaluating.evaluate(truth.pairs(), engine, card.fit, alignment, advance)
        engine.close()
        if self.curve is not None:
            plot(evaluation.sureness, self.curve, f"{card.name} on {self._where}")
        if self.calibrate is not None:
            _calibrate(evaluation, self.model, self._where, self.calibrate)
        with json_lines(self.json) as emit:
            emit(evaluation.to_document(card.classes, card.name, engine.name))
        if self.json != "-":
            console(self.json).print(_table(evaluation, card.classes))
            console(self.json).print(_summary(evaluation, engine.name))

    @property
    def _where(self) -> str:
        first, *others = self.images
        return f"{first.name} and {len(others)} more" if others else first.name

    def _align(self, truth: Truth, model: ClassMap) -> Alignment:
        ids = Ids(self.classes, self.void, dict(map(renaming, self.merge or [])), self.drop or [])
        return align(truth, self.labels[0], model, ids)

    def _compare(self, old: str, new: str, kind: BackendKind) -> None:
        if self.curve is not None or self.calibrate is not None:
            raise UsageError("--curve and --calibrate are about one model", hint="leave --compare out")
        bounds = [] if self.gate is None else parse_gate(self.gate)
        truth = find_truths(self.images, self.labels)
        with ExitStack() as opened:
            models = []
            for name in (old, new):
                models.append(open_model(name, parse_optional(self.size), kind))
                opened.callback(models[-1].backend.close)
            classes = models[0].card.classes
            alignment = self._align(truth, classes)
            alignments_of = (alignment, compares.as_old(alignment, models[1].card.classes, classes))
            contenders = [
                Contender(model.card, model.backend, model.sha256, each)
                for model, each in zip(models, alignments_of, strict=True)
            ]
            check_names(bounds, compares.gate_names(classes))
            with progress_bar("compare", truth.count) as advance:
                comparison = compares.compare(truth.pairs(), contenders[0], contenders[1], self.drives, advance)
        verdicts = judge(bounds, comparison.figures())
        if self.sheet is not None:
            write_image(self.sheet, comparison.sheet)
        with json_lines(self.json) as emit:
            emit(comparison.to_document() | {"gate": [each.to_dict() for each in verdicts]})
        if self.json != "-":
            comparing.show(comparison, verdicts, console(self.json))
        if missed := [str(each) for each in verdicts if not each.met]:
            raise BudgetMissed(f"{new} misses the gate: {'; '.join(missed)}", hint=f"keep {old}, or change --gate")


def _calibrate(evaluation: evaluating.Evaluation, model: str, where: str, out: Path) -> None:
    loaded = read_onnx(model)
    weights = cards.fingerprint(loaded.proto)
    calibration = evaluating.calibrate(evaluation, loaded.card, weights, where)
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


app = program("evaluate", Evaluate)
