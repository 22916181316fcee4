"""``edge-segnet segment``."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
from rich.table import Table

from edge_segnet.backends.model import BackendKind, BackendOptions, open_model
from edge_segnet.cli.command import program
from edge_segnet.cli.common import check_share, choose, console, json_lines, progress_bar
from edge_segnet.cli.options import BackendName, Json, Model, Palette, Size, Threads
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.documents import class_documents, result_document
from edge_segnet.core.errors import InputError, PartialFailure, UsageError
from edge_segnet.core.size import parse_optional, squeeze_note
from edge_segnet.core.stats import shares
from edge_segnet.core.types import Counts, Generation, Origin, Result, View
from edge_segnet.core.uris import without_credentials
from edge_segnet.offline import segment as segmenting
from edge_segnet.offline.segment import Job, Summary
from edge_segnet.pictures.listing import left_out
from edge_segnet.pictures.overlay import RenderStyle, Visual
from edge_segnet.sources import Input, describe, open_source

logger = logging.getLogger(__name__)
INTERRUPTED: Final = 130
"""What a shell reports for a program that Ctrl-C ended."""
Emit = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Segment:
    """Segment pictures, videos or a camera into pictures and videos.

    Pictures become pictures, folders folders, videos and cameras videos.

    With --json every frame is one line of JSON, and the last line is a summary.

        edge-segnet segment photo.jpg -o overlay.jpg --counts --legend

        edge-segnet segment frames/ -o labels/ --visualize labels

        edge-segnet segment drive.mp4 -o coloured.mp4 --json stats.jsonl
    """

    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="Pictures, folders, globs, videos, a camera's number, synthetic://drive."),
    ]
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="OUT", help="A file for one input, else a folder; without: numbers only."),
    ] = None
    model: Model = "segnet-lite"
    backend: BackendName = "auto"
    visualize: Annotated[str, typer.Option(metavar="KIND", help="overlay, mask, or labels (raw ids, loss-free).")] = (
        "overlay"
    )
    alpha: Annotated[float, typer.Option(metavar="A", help="Share of the colours in an overlay, 0 to 1.")] = 0.5
    size: Size = None
    frames: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop after this many frames of each input.")
    ] = None
    colours: Palette = None
    counts: Annotated[bool, typer.Option("--counts", help="Print label, class, colour, pixels and share.")] = False
    legend: Annotated[bool, typer.Option("--legend", help="Draw a legend with shares beside the picture.")] = False
    threads: Threads = 0
    json: Json = None

    def run(self) -> None:
        """Segment every input; broken ones are reported and skipped. Without ``out`` only numbers come out.

        Raises:
            UsageError: nothing would come out.
            InputError: nothing could be read.
            PartialFailure: something could not be read, the rest is written.
        """
        if self.out is None and not self.counts and self.json is None:
            raise UsageError("segment: nothing would come out", hint="give -o OUT, --counts or --json FILE")
        kind = choose("--backend", self.backend, BackendKind)
        visual, alpha = choose("--visualize", self.visualize, Visual), check_share("--alpha", self.alpha)
        style = RenderStyle(visual, "source", alpha, legend=self.legend)
        bad: list[str] = []
        sources = _describe(self.inputs, bad)
        # First, so that a wrong -o is known before the model is opened.
        jobs = segmenting.plan(sources, self.out, style)
        options = BackendOptions(threads=self.threads, spinning=True)
        opened = open_model(self.model, parse_optional(self.size), kind, options, self.colours)
        card, classes = opened.card, opened.card.classes
        generation = Generation(opened.backend, card.name, View(classes, card.fit))
        total = Summary(np.zeros(len(classes) + 1, np.int64), bad=bad)
        with json_lines(self.json) as emit:
            for job in jobs:
                _run_job(job, generation, style, self.frames, emit, total, alone=len(self.inputs) == 1)
                if total.interrupted:
                    break
            emit({"summary": _summary(total, classes)})
        opened.backend.close()
        if self.counts and total.frames:
            console(self.json).print(_counts_table(total.counts, classes))
        _finish(total)


def _describe(uris: Sequence[str], bad: list[str]) -> list[Input]:
    """What the inputs are; of several, those that aren't there are reported and left out."""
    found = []
    for uri in uris:
        try:
            found.append(describe(uri))
            for line in left_out(found[-1].left_out):
                _skip(InputError(line), bad)
        except InputError as error:
            if len(uris) == 1:
                raise
            _skip(error, bad)
    if not found:
        raise _nothing(bad)
    return segmenting.together(found)


def _skip(error: InputError, bad: list[str]) -> None:
    logger.warning("skipped %s", error)
    bad.append(str(error))


def _run_job(
    job: Job,
    generation: Generation,
    style: RenderStyle,
    limit: int | None,
    emit: Emit,
    total: Summary,
    alone: bool,
) -> None:
    try:
        source = open_source(
            job.source, generation.backend.input_size, generation.view.fit, camera=job.source.kind, paced=False
        )
    except InputError as error:
        if alone:
            raise
        _skip(error, total.bad)
        return
    length = limit if source.length is None else min(source.length, limit or source.length)
    with progress_bar(Path(job.source.uri).name or job.source.uri, length) as advance:
        said: set[str] = set()

        def on_result(result: Result) -> None:
            if generation.view.fit == "stretch":
                note = squeeze_note(result.frame.source_size, generation.backend.input_size)
                if note and not said:
                    said.add(note)
                    logger.warning("note: %s", note)
            uri = str(job.source.files[result.frame.seq]) if job.source.kind == "images" else job.source.uri
            emit(result_document(replace(result, origin=Origin(without_credentials(uri)))).to_dict())
            advance()

        try:
            done = segmenting.segment(source, generation, job.writer(source.fps), style, on_result, limit)
        except segmenting.NothingDecoded as error:
            if len(error.bad) == 1 and not alone:
                logger.warning("skipped %s", error)
            total.bad.extend(error.bad or [f"{job.source.uri}: {error}"])
            return
    total.add(done)
    where = without_credentials(job.source.uri) + (f" -> {job.shown}" if job.shown else "")
    logger.info("%s: %d frame%s, %.1f frames/s", where, done.frames, "s" * (done.frames != 1), done.fps)


def _summary(total: Summary, classes: ClassMap) -> dict[str, Any]:
    counted = class_documents(total.counts, total.uncertain, classes)
    return {
        "frames": total.frames,
        "failed": total.bad,
        "seconds": round(total.seconds, 3),
        "frames_per_second": round(total.fps, 2),
        "interrupted": total.interrupted,
        "classes": {name: told.to_dict() for name, told in counted.items()},
        "void_pixels": int(total.counts[len(classes)]),
    }


def _counts_table(counts: Counts, classes: ClassMap) -> Table:
    table = Table("label", "class", "colour (RGB)", "pixels", "share", box=None, pad_edge=False)
    for column in (0, 3, 4):
        table.columns[column].justify = "right"
    share = shares(counts)
    rows = [*zip(classes.names, classes.colours, strict=True), ("void", classes.void_colour)]
    for index, (name, (red, green, blue)) in enumerate(rows):
        if name == "void" and counts[index] == 0:
            continue
        colour = f"[on rgb({red},{green},{blue})]   [/] {red},{green},{blue}"
        table.add_row(str(index), name, colour, f"{counts[index]:,}", f"{100 * share[index]:.2f} %")
    return table


def _finish(total: Summary) -> None:
    if total.interrupted:
        sys.exit(INTERRUPTED)
    if total.bad and total.frames == 0:
        raise _nothing(total.bad)
    if total.bad:
        failed, done = _number(len(total.bad), "picture or video"), _number(total.frames, "frame")
        raise PartialFailure(f"{failed} failed, the rest is done ({done})", hint=f"the first was {total.bad[0]}")


def _nothing(bad: list[str]) -> InputError:
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return InputError(f"nothing could be segmented: {bad[0]}{more}")


def _number(count: int, what: str) -> str:
    words = what.split(" or ")
    return f"{count} {' or '.join(word + 's' * (count != 1) for word in words)}"


app = program("segment", Segment)
