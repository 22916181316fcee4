"""``edge-segnet quantize``."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from edge_segnet.backends.model import read_onnx
from edge_segnet.cli.alignment import Ids, align
from edge_segnet.cli.command import program
from edge_segnet.cli.common import console, json_lines, progress_bar
from edge_segnet.cli.options import Json, ModelSource, Size, TruthClasses
from edge_segnet.core.errors import BudgetMissed, UsageError
from edge_segnet.core.size import parse_optional
from edge_segnet.core.types import Frame
from edge_segnet.core.uris import without_credentials
from edge_segnet.data.pairs import find_pairs
from edge_segnet.data.recorded import of_pairs
from edge_segnet.graph import card as cards
from edge_segnet.graph.model_files import OnnxModel
from edge_segnet.offline.int8.gate import Agreement, Gate, MeanIou
from edge_segnet.offline.int8.pictures import FEWEST, read_pictures
from edge_segnet.offline.int8.search import Found, Search, check, split

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Quantize:
    """Make an INT8 model: one file for ONNX Runtime, OpenVINO and build-engine --precision int8.

    The layers that lose most stay in float until the gate holds; if it can't, nothing is written and the exit code 7.

        edge-segnet quantize segnet-lite --calibrate drive.mp4 -o lite-int8.onnx

        edge-segnet quantize mine.onnx --calibrate train/ --val-images val/ --val-labels valannot/ -o mine-int8.onnx
    """

    model: ModelSource
    calibrate: Annotated[
        str,
        typer.Option(
            metavar="INPUT", help="Pictures like those it will see: a folder, a video, a recording, a camera."
        ),
    ]
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT.onnx", help="The INT8 model.")]
    frames: Annotated[int, typer.Option(metavar="N", min=FEWEST, help="Pictures to take, evenly, of INPUT.")] = 100
    val_images: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Labelled pictures: then the gate is the mean IoU.")
    ] = None
    val_labels: Annotated[Path | None, typer.Option(metavar="DIR", help="Their label PNGs, of the same names.")] = None
    classes: TruthClasses = None
    max_drop: Annotated[float, typer.Option(metavar="POINTS", help="Of the mean IoU that may be lost.")] = 0.5
    budget_s: Annotated[
        float | None, typer.Option(metavar="N", help="Seconds after which nothing new is tried; left out: no limit.")
    ] = None
    size: Size = None
    json: Json = None

    def run(self) -> None:
        """Quantise, judge and write.

        Raises:
            BudgetMissed: the gate holds for nothing that was tried; the table is printed, and nothing written.
            InputError, ModelError, UsageError: pictures, model or options are none that this can work with.
        """
        deadline = self._check()
        model = read_onnx(self.model, parse_optional(self.size))
        check(model)
        frames = read_pictures(self.calibrate, model.card, self.frames)
        gate = self._gate(model, frames)
        with progress_bar("quantize", None) as advance:
            found = Search(model, frames, gate, deadline).run(advance)
        if found.model is not None:
            cards.save(self._named(found.model), self.out)
        with json_lines(self.json) as emit:
            emit({"model": model.card.name, "out": None if found.model is None else str(self.out), **found.to_dict()})
        _show(found, console(self.json))
        if found.model is None:
            raise _missed(found)
        logger.info("%s: INT8, %s", self.out, found.verdict)

    def _check(self) -> float | None:
        """When to stop, on the monotonic clock."""
        if self.out.suffix != ".onnx":
            raise UsageError(f"-o {self.out}: a model file ends in .onnx")
        if (self.val_images is None) != (self.val_labels is None):
            raise UsageError("--val-images and --val-labels need each other")
        if not math.isfinite(self.max_drop) or self.max_drop < 0:
            raise UsageError(f"--max-drop {self.max_drop}: not a number of points", hint="give for example 0.5")
        if self.budget_s is None:
            return None
        if not (math.isfinite(self.budget_s) and self.budget_s > 0):
            raise UsageError(f"--budget-s {self.budget_s}: not a time")
        return time.monotonic() + self.budget_s

    def _gate(self, model: OnnxModel, frames: list[Frame]) -> Gate:
        if self.val_images is None or self.val_labels is None:
            return Agreement(model, split(frames)[1])
        pairs = find_pairs(self.val_images, self.val_labels)
        alignment = align(of_pairs(pairs), self.val_labels, model.card.classes, Ids(self.classes))
        return MeanIou(model, pairs, alignment, self.max_drop)

    def _named(self, model: OnnxModel) -> OnnxModel:
        """With the words for where its pictures came from."""
        told: dict[str, Any] = {**model.card.provenance["int8"], "calibrated_on": _shown(self.calibrate)}
        return cards.described(model, {**model.card.provenance, "int8": told})


def _shown(uri: str) -> str:
    """Without passwords, and without this machine's folders: models travel."""
    return without_credentials(uri) if "://" in uri else Path(uri).name


def _missed(found: Found) -> BudgetMissed:
    time_up = "" if found.in_time else "; the time is up"
    what = f"the gate does not hold: {found.verdict}, with {len(found.kept)} layers in float{time_up}"
    return BudgetMissed(what, hint="calibrate with pictures of the same kind, or allow more: --max-drop, --budget-s")


def _show(found: Found, to: Console) -> None:
    table = Table(
        Column("layer", no_wrap=True),
        "kind",
        "error of the logits",
        "labels changed",
        "computes in",
        box=None,
        pad_edge=False,
    )
    for column in table.columns[2:4]:
        column.justify = "right"
    for row in found.table:
        lost = ("-", "-") if row.loss is None else (f"{100 * row.loss.error:.2f} %", f"{100 * row.loss.flipped:.2f} %")
        table.add_row(row.layer.name, row.layer.kind, *lost, "int8" if row.int8 else "[bold]float[/]")
    to.print(table)
    for method, loss in found.methods.items():
        chosen = " (taken)" if method == found.method else ""
        to.print(
            f"ranges by {method}: error {100 * loss.error:.2f} %, labels changed {100 * loss.flipped:.2f} %{chosen}"
        )
    to.print(f"{found.verdict}: {'holds' if found.verdict.holds else 'missed'}; {found.frames} pictures")


app = program("quantize", Quantize)
