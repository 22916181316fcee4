"""``edge-segnet bench``."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from edge_segnet.backends.model import BackendKind, BackendOptions, OpenModel, open_model
from edge_segnet.bench import provenance
from edge_segnet.bench.budget import Bound, judge, read_budget
from edge_segnet.bench.measure import Frames, Loop, agree, replayed
from edge_segnet.bench.plot import check_plotting, plot
from edge_segnet.bench.report import Agreement, Bare, ColdStart, Energy, Memory, Phase, Report, read_report
from edge_segnet.board.power import PowerMeter, nvmap_mb, read_board
from edge_segnet.cli.bench_tables import show_changes, show_race, show_report, show_verdicts
from edge_segnet.cli.command import program
from edge_segnet.cli.common import choose, console, json_lines, progress_bar
from edge_segnet.cli.options import BackendName, Json, Model, Precision, Size, Threads
from edge_segnet.core.errors import BadFrame, BudgetMissed, EndOfStream, InputError, ModelError, UsageError
from edge_segnet.core.size import parse_optional
from edge_segnet.core.soundness import require_valid
from edge_segnet.core.types import Backend, CpuPrecision, Frame, Source
from edge_segnet.core.uris import parse, without_credentials
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import describe, open_camera, open_source

logger = logging.getLogger(__name__)
IN_MEMORY: Final = 30
"""Frames that are read ahead and replayed."""
COMPARED: Final = 10
"""Frames whose labels are compared with the CPU's."""
MAX_RATE: Final = 10_000.0
CAMERA_WAIT_S: Final = 10.0
"""As long as a stream may take to its first key frame (``health.FIRST_FRAME_S``)."""
PhaseName = Literal["back_to_back", "paced"]
ARGUMENTS: Final = ("model", "backend", "precision", "source", "size", "seconds", "rate", "warmup", "threads")
"""Of the command line, those that a figure depends on."""


@dataclass(frozen=True)
class Bench:
    """Measure a model here: frames per second, every stage, frame age, overhead, cold start, memory, power, agreement.

    edge-segnet bench --seconds 30 --rate 15 --json bench.json --plot bench.png

    edge-segnet bench --compare old.json new.json

    edge-segnet bench --backend all

    With all, every runtime that is here races, each in a process of its own, and a table says which is quickest.
    """

    model: Model = "segnet-lite"
    backend: BackendName = "auto"
    precision: Precision = "auto"
    int8: Annotated[
        Path | None,
        typer.Option(metavar="ONNX", help="With --backend all: the model's INT8 form, which races as well."),
    ] = None
    reference: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Whose labels these are compared with; the model's if left out.")
    ] = None
    source: Annotated[
        str, typer.Option(metavar="URI", help="Files and the synthetic street are replayed from memory, cameras live.")
    ] = "synthetic://drive"
    size: Size = None
    seconds: Annotated[float, typer.Option(metavar="S", min=0.01, max=86400, help="Measured time per phase.")] = 10.0
    rate: Annotated[
        float | None, typer.Option(metavar="HZ", help="Then measure once more, at this many frames per second.")
    ] = None
    warmup: Annotated[float, typer.Option(metavar="S", min=0, max=3600, help="Unmeasured time before.")] = 1.0
    threads: Threads = 0
    json: Json = None
    budget: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Exit with 7 if a bound in there is broken.")
    ] = None
    compare: Annotated[
        tuple[Path, Path] | None, typer.Option(metavar="A.json B.json", help="Say what changed, instead of measuring.")
    ] = None
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw latency over time.")] = None

    @property
    def network_size(self) -> tuple[int, int] | None:
        return parse_optional(self.size)

    def run(self) -> None:
        """Measure and report, or compare two reports.

        Raises:
            UsageError, SettingsError: flags or budget make no sense.
            ModelError, InputError, DeviceLost: what a run can meet.
            BudgetMissed: a bound is broken; everything was written before.
        """
        if self.compare is not None:
            before, after = self.compare
            show_changes(read_report(before), read_report(after), console(self.json))
            return
        _check(self)
        if self.plot is not None:
            check_plotting()
        bounds = read_budget(self.budget) if self.budget else []
        if self.backend == "all":
            self._race()
            return
        report = _measure(self)
        verdicts = judge(report, bounds)
        with json_lines(self.json) as emit:
            emit(report.model_dump(mode="json"))
        if self.plot is not None:
            plot(report, self.plot)
        show_report(report, console(self.json))
        if verdicts:
            show_verdicts(verdicts, console(self.json))
        if broken := [verdict.bound for verdict in verdicts if not verdict.met]:
            raise _missed(broken)

    def _race(self) -> None:
        from edge_segnet.cli import race

        if self.budget or self.plot or self.rate is not None or parse(self.source).live:
            raise UsageError("--backend all measures the networks alone: no --rate, --budget, --plot or live --source")
        arguments = ["--source", self.source, "--warmup", str(self.warmup)]
        arguments += ["--threads", str(self.threads), *(["--size", self.size] if self.size else [])]
        raced = race.run(arguments, self.seconds, race.entrants(self.model, self.int8))
        with json_lines(self.json) as emit:
            emit(raced.model_dump(mode="json"))
        show_race(raced, console(self.json))


def _check(settings: Bench) -> None:
    if settings.int8 is not None and settings.backend != "all":
        raise UsageError("--int8 is for --backend all", hint="to measure it alone: --model")
    for flag, value in (("--seconds", settings.seconds), ("--warmup", settings.warmup)):
        if not math.isfinite(value):
            raise UsageError(f"{flag} {value}: not a time")
    if settings.rate is not None and not 0.0 < settings.rate <= MAX_RATE:
        raise UsageError(f"--rate {settings.rate}: not a rate", hint=f"frames per second, up to {MAX_RATE:g}")


def _missed(broken: list[Bound]) -> BudgetMissed:
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return BudgetMissed(f"budget missed: {broken[0].name} {broken[0].text}{more}", hint="see the table")


def _measure(settings: Bench) -> Report:
    imports_ms = provenance.process_age_ms()
    kind = choose("--backend", settings.backend, BackendKind)
    precision = choose("--precision", settings.precision, CpuPrecision)
    options = BackendOptions(threads=settings.threads, spinning=settings.rate is None, precision=precision)
    opened = open_model(settings.model, settings.network_size, kind, options)
    backend = opened.backend
    with contextlib.closing(backend), contextlib.closing(_Feed(settings.source, opened)) as feed:
        first = time.perf_counter()
        require_valid(backend.infer([feed.sample[0]])[0], backend.name)
        answered = time.perf_counter()
        cold = ColdStart(
            imports_ms=round(imports_ms),
            model_ms=round(opened.read_ms, 1),
            backend_ms=round(opened.backend_ms, 1),
            first_frame_ms=round(1e3 * (answered - first), 1),
        )
        return _report(settings, opened, feed, cold)


class _Feed:
    """Frames for the loop: files and the synthetic street are read ahead and replayed, a camera is read live."""

    def __init__(self, uri: str, model: OpenModel) -> None:
        self.shown = without_credentials(uri)
        self.kind: Literal["memory", "live"] = "live" if parse(uri).live else "memory"
        size, fit = model.backend.input_size, model.card.fit
        self._source: Source = (
            open_camera(CameraConfig(source=uri), "bench", size, fit)
            if self.kind == "live"
            else open_source(describe(uri), size, fit, camera="bench", paced=False)
        )
        self.sample = _read_ahead(self._source, COMPARED if self.kind == "live" else IN_MEMORY)
        if not self.sample:
            raise InputError(f"{self.shown}: no frame could be read")
        self.frames: Frames = self._live if self.kind == "live" else replayed(self.sample)

    def close(self) -> None:
        """Give the camera back."""
        self._source.close()

    def _live(self) -> Frame:
        while True:
            try:
                frame = self._source.read(CAMERA_WAIT_S)
            except BadFrame as error:
                logger.warning("skipped %s", error)
                continue
            if frame is None:
                raise InputError(f"{self.shown}: no frame in {CAMERA_WAIT_S:g} s", hint="is the camera plugged in?")
            return frame


def _read_ahead(source: Source, count: int) -> list[Frame]:
    frames: list[Frame] = []
    while len(frames) < count:
        try:
            frame = source.read(CAMERA_WAIT_S)
        except BadFrame:
            continue
        except EndOfStream:
            break
        if frame is None:
            break
        frames.append(frame)
    return frames


def _report(settings: Bench, model: OpenModel, feed: _Feed, cold: ColdStart) -> Report:
    before, backend = read_board(), model.backend
    phases: dict[PhaseName, Phase] = {}
    energy: dict[PhaseName, Energy] = {}
    with progress_bar("bench", None) as advance:
        loop = Loop(backend, model.card.name, feed.frames, advance)
        loop.warm_up(settings.warmup)
        resident = provenance.resident_mb()
        with PowerMeter() as meter:
            phases["back_to_back"], bare = loop.back_to_back(settings.seconds)
        _note(energy, "back_to_back", meter, phases, bare)
        if settings.rate is not None:
            with PowerMeter() as meter:
                phases["paced"] = loop.paced(settings.seconds, settings.rate)
            _note(energy, "paced", meter, phases, None)
    memory = _memory(backend, provenance.resident_mb() - resident)
    arguments: dict[str, Any] = {name: getattr(settings, name) for name in ARGUMENTS} | {"source": feed.shown}
    return Report(
        provenance=provenance.describe(model.card, model.sha256, backend, feed.shown, feed.kind, arguments),
        cold_start=cold,
        phases=phases,
        bare=bare,
        agreement=_agreement(settings, backend, feed.sample),
        memory=memory,
        energy=energy,
        before=before,
        after=read_board(),
    )


def _note(
    energy: dict[PhaseName, Energy],
    name: PhaseName,
    meter: PowerMeter,
    phases: dict[PhaseName, Phase],
    bare: Bare | None,
) -> None:
    """Energy per frame; the bare runs in between used some of it and count as frames."""
    found = meter.energy(phases[name].latency_ms.n + (bare.time_ms.n if bare else 0))
    if found is not None:
        energy[name] = found


def _memory(backend: Backend, growth_mb: float) -> Memory:
    free, total = backend.memory_mb() if hasattr(backend, "memory_mb") else (None, None)
    return Memory(
        peak_rss_mb=peak_rss_mb(),
        growth_mb=round(growth_mb, 2),
        gpu_free_mb=free,
        gpu_total_mb=total,
        nvmap_mb=nvmap_mb(),
    )


def peak_rss_mb() -> float:
    """Of this program. ``getrusage`` would tell that of a larger one that started it: Linux keeps it over ``exec``."""
    told = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").partition("VmHWM:")[2]
    return round(int(told.split()[0]) / 1e3, 1)


def _agreement(settings: Bench, backend: Backend, sample: list[Frame]) -> Agreement | None:
    """With the CPU in float32; None where this is the CPU, or where the model of an engine is gone."""
    if backend.name.startswith("onnx") and settings.reference is None:
        return None
    try:
        reference = open_model(settings.reference or settings.model, settings.network_size, "onnx").backend
    except ModelError as error:
        logger.warning("warning: labels are not compared with the CPU's: %s", error)
        return None
    try:
        return agree(backend, reference, sample[:COMPARED])
    finally:
        reference.close()


app = program("bench", Bench)
