"""The benchmark's tables for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Column, Table

from edge_segnet.bench.budget import Verdict
from edge_segnet.bench.compare import Change, compare, differing_conditions
from edge_segnet.bench.report import Distribution, Phase, Race, Readings, Report

_COLUMNS = ("mean", "p50", "p90", "p99", "p99_9", "max")
_MEANING = {"faster": "[green]faster[/]", "slower": "[bold red]slower[/]", "same": "within noise", "unknown": ""}


def show_report(report: Report, console: Console) -> None:
    """Everything that a person wants to know of a run."""
    facts = report.provenance
    size = "{}x{}".format(*facts.network_size)
    where = facts.backend_details.get("gpu") or facts.machine.get("cpu") or facts.machine["system"]
    frames = "frames from memory" if facts.source_kind == "memory" else "live"
    console.print(f"{facts.model} {size} on {facts.backend} ({where}), {facts.source}, {frames}\n", soft_wrap=True)
    for phase in report.phases.values():
        console.print(_phase_table(phase, report))
        console.print(_phase_line(phase))
    console.print(_facts_table(report))


def show_race(raced: Race, console: Console) -> None:
    """Quickest first; how many times as quick as ONNX Runtime, and how many labels are alike."""
    facts = raced.provenance
    where = facts.machine.get("cpu") or facts.machine["system"]
    console.print("{} {}x{}, {}\n".format(facts.model, *facts.network_size, where), soft_wrap=True)
    reference = next((racer.network_ms.p50 for racer in raced.race if racer.backend.startswith("onnx")), None)
    table = Table("backend", "p50 ms", "p90", "p99", "against onnx", "labels alike", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for racer in sorted(raced.race, key=lambda one: one.network_ms.p50 or one.network_ms.mean or 0.0):
        times = racer.network_ms
        cells = ["too few" if value is None else f"{value:.2f}" for value in (times.p50, times.p90, times.p99)]
        gain = f"{reference / times.p50:.2f} x" if reference and times.p50 else ""
        alike = "" if racer.agreement is None else f"{racer.agreement.share:.2%}"
        table.add_row(racer.backend, *cells, gain, alike)
    console.print(table)


def _phase_table(phase: Phase, report: Report) -> Table:
    offered = "back to back" if phase.rate is None else f"paced at {phase.rate:g} frames/s"
    table = Table(
        Column("ms", no_wrap=True),
        *(name.replace("_", ".") for name in _COLUMNS),
        box=None,
        pad_edge=False,
        title_justify="left",
    )
    table.title = f"{offered}, n = {phase.latency_ms.n}"
    for column in table.columns[1:]:
        column.justify = "right"
    for stage, times in phase.stages_ms.items():
        _add(table, stage, times)
    _add(table, "whole frame", phase.latency_ms)
    _add(table, "age at the sinks", phase.age_ms)
    if phase.mode == "back_to_back" and report.bare is not None:
        _add(table, "bare network", report.bare.time_ms)
    return table


def _add(table: Table, name: str, times: Distribution) -> None:
    cells = []
    for column in _COLUMNS:
        value = getattr(times, column)
        cells.append("too few" if value is None else f"{value:.2f}")
    table.add_row(name, *cells)


def _phase_line(phase: Phase) -> str:
    line = f"{phase.fps:.2f} frames/s"
    if phase.rate is not None:
        line += f", {phase.dropped} dropped, {phase.late} late (older than a period when published)"
    return line + "\n"


def _facts_table(report: Report) -> Table:
    table = Table(Column(no_wrap=True), "", box=None, pad_edge=False, show_header=False)
    bare, memory, cold = report.bare, report.memory, report.cold_start
    if bare is not None:
        table.add_row(
            "loop over bare network", f"{bare.overhead_ms:+.3f} ms a frame ({100 * bare.overhead_share:+.1f} %) at p50"
        )
    starts = (cold.imports_ms, cold.model_ms, cold.backend_ms, cold.first_frame_ms)
    table.add_row(
        "cold start",
        "{:.0f} ms: {:.0f} imports, {:.0f} model, {:.0f} backend, {:.0f} first frame".format(sum(starts), *starts),
    )
    table.add_row("memory", f"{memory.peak_rss_mb:.0f} MB at most, {memory.growth_mb:+.1f} MB while measuring")
    if memory.gpu_free_mb is not None and memory.gpu_total_mb is not None:
        table.add_row("GPU memory", f"{memory.gpu_free_mb:.0f} of {memory.gpu_total_mb:.0f} MB free")
    for name, energy in report.energy.items():
        table.add_row(
            f"power, {name.replace('_', ' ')}",
            f"{energy.mean_w:.2f} W on {energy.rail}, {energy.joules_per_frame:.3f} J a frame",
        )
    if report.agreement is not None:
        agreed = report.agreement
        table.add_row(
            "labels like the CPU's",
            f"{100 * agreed.share:.2f} % (worst of {agreed.frames} frames: {100 * agreed.worst_share:.2f} %)",
        )
    for label, text in _board_rows(report.before, report.after):
        table.add_row(label, text)
    facts = report.provenance
    table.add_row("edge-segnet", f"{facts.edge_segnet}, git {facts.git_revision or 'unknown'}")
    return table


def _board_rows(before: Readings, after: Readings) -> list[tuple[str, str]]:
    rows = []
    if before.power_mode:
        rows.append(("power mode", before.power_mode))
    if after.temperatures_c:
        hottest = max(after.temperatures_c, key=lambda name: after.temperatures_c[name])
        was = before.temperatures_c.get(hottest)
        start = f"{was:.0f} -> " if was is not None else ""
        rows.append(("hottest sensor", f"{hottest} {start}{after.temperatures_c[hottest]:.0f} °C"))
    rose = {
        name: count - before.throttle_events.get(name, 0)
        for name, count in after.throttle_events.items()
        if count > before.throttle_events.get(name, 0)
    }
    if rose:
        events = ", ".join(f"{name} +{count}" for name, count in rose.items())
        rows.append(("THROTTLED", f"[bold red]{events}: the board slowed down, this run is not its best[/]"))
    return rows


def show_verdicts(verdicts: list[Verdict], console: Console) -> None:
    """Bounds, values and whether they hold."""
    table = Table(Column("budget", overflow="fold"), "bound", "measured", "", box=None, pad_edge=False)
    for verdict in verdicts:
        measured = "nothing, or too few" if verdict.value is None else f"{verdict.value:g}"
        table.add_row(verdict.bound.name, verdict.bound.text, measured, "met" if verdict.met else "[bold red]missed[/]")
    console.print(table)


def show_changes(before: Report, after: Report, console: Console) -> None:
    """What changed beyond noise, and what else was not the same."""
    table = Table(Column("ms", no_wrap=True), "before", "after", "change", "noise", "", box=None, pad_edge=False)
    for column in table.columns[1:5]:
        column.justify = "right"
    for change in compare(before, after):
        table.add_row(*_change_cells(change))
    console.print(table)
    for line in differing_conditions(before, after):
        console.print(f"not the same: {line}")


def _change_cells(change: Change) -> tuple[str, ...]:
    noise = "" if change.noise is None else f"±{100 * change.noise:.1f} %"
    meaning = _MEANING[change.kind]
    if change.kind == "unknown" and change.name.endswith("latency p50"):
        meaning = "too few samples to tell"
    return change.name, f"{change.before:.3f}", f"{change.after:.3f}", f"{100 * change.share:+.1f} %", noise, meaning
