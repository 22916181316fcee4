"""``edge-segnet label``."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import numpy as np
import typer

from edge_segnet.backends.model import BackendKind, BackendOptions, OpenModel, open_model
from edge_segnet.cli.command import program
from edge_segnet.cli.common import choose, json_lines, progress_bar
from edge_segnet.cli.options import BackendName, Json, Model, Size
from edge_segnet.core.errors import InputError, PartialFailure, UsageError
from edge_segnet.core.size import parse_optional
from edge_segnet.core.types import Frame
from edge_segnet.cuda.probe import NoGpu, find_gpu
from edge_segnet.offline.label.plan import Format

if TYPE_CHECKING:
    from edge_segnet.offline.label.plan import Plan
    from edge_segnet.offline.label.run import Engine, Labelling
    from edge_segnet.offline.label.work import Spec

logger = logging.getLogger(__name__)
EngineName = Literal["local", "ray"]
MOST_S: Final = 86_400.0
TRIED: Final = 8
"""Frames by which a dry run tells how long the rest takes."""
TOLD_EVERY_S: Final = 30.0
"""Between two lines about progress where no bar can be drawn."""


@dataclass(frozen=True)
class Label:
    """Label many recordings, videos and folders of pictures, on every core or on a Ray cluster.

    Labels, statistics of every frame in Parquet, and a manifest come out; --resume goes on after anything.

        edge-segnet label drives/ -o labelled/ --every 1

        edge-segnet label 'drives/*.mcap?topic=/front/image' -o labelled/ --format cvat --resume

        edge-segnet label /mnt/fleet -o /mnt/labelled --engine ray --address auto
    """

    inputs: Annotated[list[str], typer.Argument(metavar="INPUT", help="Recordings, videos, folders, globs.")]
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="Folder for what comes out.")]
    model: Model = "segnet-lite"
    backend: BackendName = "auto"
    size: Size = None
    engine: Annotated[str, typer.Option(metavar="NAME", help="local, or ray (extra 'ray').")] = "local"
    address: Annotated[
        str | None,
        typer.Option(metavar="ADDR", help="Of a Ray cluster; auto: this machine's. Else one is started here."),
    ] = None
    workers: Annotated[int, typer.Option(metavar="N", min=0, help="0: one per core, or per GPU.")] = 0
    every: Annotated[float | None, typer.Option(metavar="S", help="A frame every S seconds, not all.")] = None
    format: Annotated[str, typer.Option(metavar="KIND", help="png, mcap, parquet or cvat.")] = "png"
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in OUT; new inputs may come in.")] = False
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many frames there are, and how long.")] = (
        False
    )
    json: Json = None

    def run(self) -> None:
        """Label everything that can be read.

        Raises:
            UsageError: flags that make no sense, or an extra that is not installed.
            InputError: nothing could be read; a Ray cluster that went away.
            ModelError, OutputError: what a worker met. What was finished stays.
            PartialFailure: some of it could not be labelled; the rest is.
        """
        self._check()
        from edge_segnet.offline.label.plan import make_plan
        from edge_segnet.offline.label.run import claimed, label
        from edge_segnet.offline.label.work import Spec

        plan = make_plan(self.inputs, self.every)
        for fault in plan.failed:
            logger.warning("skipped %s", fault)
        name, size, gpus = _absolute(self.model), parse_optional(self.size), self._has_gpus()
        backend: BackendKind = choose("--backend", self.backend, BackendKind)
        if backend == "auto":  # once for all: two workers might choose two
            backend = "tensorrt" if gpus else "onnx"
        opened = open_model(name, size, backend, BackendOptions(threads=1))
        with closing(opened.backend):
            workers = self.workers or (1 if gpus else len(os.sched_getaffinity(0)))
            if self.dry_run:
                _tell(plan, opened, workers, self.json)
                return
        form: Format = choose("--format", self.format, Format)
        spec = Spec(name, opened.sha256, backend, size, str(self.out.absolute()), form, self.every)
        with claimed(self.out, spec, resume=self.resume), _progress(plan.frames) as tell:
            done = label(plan, spec, opened.card.classes, self._engine(spec, workers, gpus), tell)
        _finish(plan, done, self.out, self.json)

    def _check(self) -> None:
        choose("--engine", self.engine, EngineName)
        choose("--format", self.format, Format)
        if self.address is not None and self.engine != "ray":
            raise UsageError("--address belongs to --engine ray")
        if self.every is not None and not 0.0 < self.every <= MOST_S:
            raise UsageError(f"--every {self.every}: not a time", hint=f"seconds, more than 0, up to {MOST_S:g}")
        if find_spec("pyarrow") is None:
            raise UsageError("label writes Parquet and needs pyarrow", hint="pip install 'edge-segnet[label]'")
        if self.engine == "ray" and find_spec("ray") is None:
            raise UsageError("--engine ray needs Ray", hint="pip install 'edge-segnet[ray]'")

    def _has_gpus(self) -> bool:
        """Whether the work runs on GPUs: those of the cluster, or this machine's."""
        if self.backend not in ("auto", "tensorrt"):
            return False
        if self.engine == "ray" and self.address is not None:
            from edge_segnet.offline.label.on_ray import has_gpus

            return has_gpus(self.address)
        try:
            find_gpu()
        except NoGpu:
            return False
        return True

    def _engine(self, spec: Spec, workers: int, gpus: bool) -> Engine:
        if self.engine == "local":
            from edge_segnet.offline.label import local

            return lambda tasks, tell: local.run(tasks, spec, workers, tell)
        from edge_segnet.offline.label import on_ray

        options = on_ray.RayOptions(self.address, self.workers, gpus)
        return lambda tasks, tell: on_ray.run(tasks, spec, options, tell)


def _absolute(model: str) -> str:
    """A worker may stand elsewhere."""
    return str(Path(model).absolute()) if Path(model).is_file() else model


def _tell(plan: Plan, opened: OpenModel, workers: int, json: str | None) -> None:
    """What a dry run says."""
    width, height = opened.backend.input_size
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    frame = Frame(picture, None, 0, 0, 0.0, "dry run")
    opened.backend.infer([frame])
    started = time.perf_counter()
    for _ in range(TRIED):
        opened.backend.infer([frame])
    seconds = plan.frames * (time.perf_counter() - started) / TRIED / workers
    with json_lines(json) as emit:
        told = {"inputs": len(plan.items), "frames": plan.frames, "seconds": round(seconds, 1), "workers": workers}
        emit({**told, "failed": list(plan.failed)})
    words = f"{len(plan.items)} inputs, about {plan.frames:,} frames: about {_duration(seconds)}"
    logger.info("%s with %d workers on %s (the network alone)", words, workers, opened.backend.name)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@contextmanager
def _progress(frames: int) -> Iterator[Callable[[int], None]]:
    """A bar where that can be drawn, else a line now and then, with the time that is left."""
    started = told = time.monotonic()
    count = 0
    with progress_bar("label", frames or None) as advance:

        def tell(more: int) -> None:
            nonlocal count, told
            count += more
            advance(completed=count)
            now = time.monotonic()
            if now - told >= TOLD_EVERY_S and not sys.stderr.isatty():
                told = now
                rate = count / (now - started)
                left = _duration(max(0, frames - count) / rate) if rate else "?"
                logger.info("%s of about %s frames, %.1f frames/s, %s left", f"{count:,}", f"{frames:,}", rate, left)

        yield tell


def _finish(plan: Plan, done: Labelling, out: Path, json: str | None) -> None:
    with json_lines(json) as emit:
        emit({"inputs": len(plan.items), "frames": done.frames, "faults": done.faults, "named": done.named})
    logger.info("%s: %s frames of %d input%s", out, f"{done.frames:,}", len(plan.items), "s" * (len(plan.items) != 1))
    if done.faults and not done.frames:
        raise InputError(f"nothing could be labelled: {done.named[0]}")
    if done.faults:
        for fault in done.named:
            logger.warning("skipped %s", fault)
        what = f"{done.faults} fault{'s' * (done.faults != 1)}, the rest is labelled ({done.frames:,} frames)"
        raise PartialFailure(what, hint=f"the first was {done.named[0]}")


app = program("label", Label)
