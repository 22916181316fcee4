"""``edge-segnet segment``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from edge_segnet import segment as segmenting
from edge_segnet.backends import BackendKind, BackendOptions, open_backend
from edge_segnet.classes import ClassMap
from edge_segnet.commands.common import choose, console, json_lines, open_model, progress_bar
from edge_segnet.errors import InputError, PartialFailure
from edge_segnet.graph.bundle import Bundle
from edge_segnet.outputs import Look, Visual
from edge_segnet.segment import Job, Summary
from edge_segnet.serialise import to_document, without_credentials
from edge_segnet.sources import describe, open_source
from edge_segnet.stats import shares
from edge_segnet.types import Backend, Counts, Result

logger = logging.getLogger(__name__)
Emit = Callable[[dict[str, Any]], None]


def run(
    inputs: Sequence[str],
    out: Path,
    *,
    model: str,
    backend: str,
    size: str | None,
    visual: str,
    alpha: float,
    legend: bool,
    frames: int | None,
    colours: Path | None,
    counts: bool,
    threads: int,
    json_target: str | None,
) -> None:
    """Segment every input; broken ones are reported and skipped.

    Raises:
        InputError: nothing could be read.
        PartialFailure: something could not be read, the rest is written.
    """
    kind = choose("--backend", backend, BackendKind)
    bundle = open_model(model, size, colours)
    look = Look(choose("--visualize", visual, Visual), alpha, legend, bundle.fit)
    jobs = segmenting.plan([describe(uri) for uri in inputs], out, look)
    engine = open_backend(bundle, kind, BackendOptions(threads=threads, spinning=True))
    total = Summary(np.zeros(len(bundle.classes) + 1, np.int64))
    with json_lines(json_target) as emit:
        for job in jobs:
            _run_job(job, engine, bundle, look, frames, emit, total)
            if total.interrupted:
                break
        emit({"summary": _summary(total, bundle.classes)})
    engine.close()
    if counts and total.frames:
        console(json_target).print(_counts_table(total.counts, bundle.classes))
    _finish(total)


def _run_job(
    job: Job, backend: Backend, bundle: Bundle, look: Look, limit: int | None, emit: Emit, total: Summary
) -> None:
    try:
        source = open_source(job.source, backend.input_size, bundle.fit, camera=job.source.kind, paced=False)
    except InputError as error:
        logger.warning("skipped %s", error)
        total.bad.append(str(error))
        return
    length = limit if source.length is None else min(source.length, limit or source.length)
    with progress_bar(Path(job.source.uri).name or job.source.uri, length) as advance:

        def on_result(result: Result) -> None:
            uri = str(job.source.files[result.frame.seq]) if job.source.kind == "images" else job.source.uri
            emit(to_document(result, bundle.classes, uri))
            advance()

        try:
            done = segmenting.segment(source, backend, bundle.name, job.writer(source.fps), look, on_result, limit)
        except segmenting.NothingDecoded as error:
            total.bad.extend(error.bad)
            return
    total.add(done)
    where = f"{without_credentials(job.source.uri)} -> {job.target}"
    logger.info("%s: %d frames, %.1f frames/s", where, done.frames, done.fps)


def _summary(total: Summary, classes: ClassMap) -> dict[str, Any]:
    share = shares(total.counts)
    return {
        "frames": total.frames,
        "failed": total.bad,
        "seconds": round(total.seconds, 3),
        "frames_per_second": round(total.fps, 2),
        "interrupted": total.interrupted,
        "classes": {
            name: {"id": index, "pixels": int(total.counts[index]), "share": round(float(share[index]), 4)}
            for index, name in enumerate(classes.names)
        },
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
        raise KeyboardInterrupt
    if total.bad and total.frames == 0:
        more = f" (and {len(total.bad) - 1} more)" if len(total.bad) > 1 else ""
        raise InputError(f"nothing could be segmented; {total.bad[0]}{more}")
    if total.bad:
        raise PartialFailure(f"{len(total.bad)} inputs failed, {total.frames} frames are done")
