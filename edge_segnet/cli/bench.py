"""``edge-segnet bench``."""

from __future__ import annotations

import contextlib
import logging
import math
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from edge_segnet.backends.model import BackendKind, BackendOptions, OpenModel, open_model
from edge_segnet.bench import provenance
from edge_segnet.bench.budget import Bound, judge, read_budget
from edge_segnet.bench.measure import Frames, Loop, agree, replayed
from edge_segnet.bench.plot import check_plotting, plot
from edge_segnet.bench.report import Agreement, Bare, ColdStart, Energy, Memory, Phase, Report, read_report
from edge_segnet.board.power import PowerMeter, nvmap_mb, read_board
from edge_segnet.cli.bench_tables import show_changes, show_report, show_verdicts
from edge_segnet.cli.common import choose, console, json_lines, progress_bar
from edge_segnet.core.errors import BadFrame, BudgetMissed, EndOfStream, InputError, ModelError, UsageError
from edge_segnet.core.size import parse_size
from edge_segnet.core.soundness import require_valid
from edge_segnet.core.types import Backend, Frame, Source
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
PhaseName = Literal["back_to_back", "paced"]


@dataclass(frozen=True)
class Settings:
    """The flags of a measuring run."""

    model: str
    backend: str
    source: str
    size: str | None
    seconds: float
    rate: float | None
    warmup: float
    threads: int

    @property
    def network_size(self) -> tuple[int, int] | None:
        return None if self.size is None else parse_size(self.size)


def run(
    settings: Settings,
    *,
    json_target: str | None,
    budget: Path | None,
    reports: tuple[Path, Path] | None,
    picture: Path | None,
) -> None:
    """Measure and report, or compare two reports.

    Raises:
        UsageError, SettingsError: flags or budget make no sense.
        ModelError, InputError, DeviceLost: what a run can meet.
        BudgetMissed: a bound is broken; everything was written before.
    """
    if reports is not None:
        show_changes(read_report(reports[0]), read_report(reports[1]), console(json_target))
        return
    _check(settings)
    if picture is not None:
        check_plotting()
    bounds = read_budget(budget) if budget else []
    report = _measure(settings)
    verdicts = judge(report, bounds)
    with json_lines(json_target) as emit:
        emit(report.model_dump(mode="json"))
    if picture is not None:
        plot(report, picture)
    show_report(report, console(json_target))
    if verdicts:
        show_verdicts(verdicts, console(json_target))
    if broken := [verdict.bound for verdict in verdicts if not verdict.met]:
        raise _missed(broken)


def _check(settings: Settings) -> None:
    for flag, value in (("--seconds", settings.seconds), ("--warmup", settings.warmup)):
        if not math.isfinite(value):
            raise UsageError(f"{flag} {value}: not a time")
    if settings.rate is not None and not 0.0 < settings.rate <= MAX_RATE:
        raise UsageError(f"--rate {settings.rate}: not a rate", hint=f"frames per second, up to {MAX_RATE:g}")


def _missed(broken: list[Bound]) -> BudgetMissed:
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return BudgetMissed(f"budget missed: {broken[0].name} {broken[0].text}{more}", hint="see the table")


def _measure(settings: Settings) -> Report:
    imports_ms = provenance.process_age_ms()
    kind = choose("--backend", settings.backend, BackendKind)
    options = BackendOptions(threads=settings.threads, spinning=settings.rate is None)
    opened = open_model(settings.model, settings.network_size, kind, options)
    backend = opened.backend
    with contextlib.closing(backend), contextlib.closing(_Feed(settings.source, opened)) as feed:
        first = time.perf_counter()
        require_valid(backend.infer(feed.sample[0]), backend.name)
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


def _report(settings: Settings, model: OpenModel, feed: _Feed, cold: ColdStart) -> Report:
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
    arguments: dict[str, Any] = dict(vars(settings), source=feed.shown)
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
        peak_rss_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
        growth_mb=round(growth_mb, 2),
        gpu_free_mb=free,
        gpu_total_mb=total,
        nvmap_mb=nvmap_mb(),
    )


def _agreement(settings: Settings, backend: Backend, sample: list[Frame]) -> Agreement | None:
    """With the CPU in float32; None where this is the CPU, or where the model of an engine is gone."""
    if backend.name == "onnx":
        return None
    try:
        reference = open_model(settings.model, settings.network_size, "onnx").backend
    except ModelError as error:
        logger.warning("warning: labels are not compared with the CPU's: %s", error)
        return None
    try:
        return agree(backend, reference, sample[:COMPARED])
    finally:
        reference.close()
