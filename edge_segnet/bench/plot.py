"""A PNG of a run: latency over time, and how it is spread."""

from __future__ import annotations

import logging
from pathlib import Path

from edge_segnet.bench.report import Phase, Report
from edge_segnet.core.errors import UsageError
from edge_segnet.core.files import written_beside


def check_plotting() -> None:
    """Raises UsageError where matplotlib is missing: known before the run, not after it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError("--plot needs matplotlib", hint="pip install 'edge-segnet[bench]'") from error


def plot(report: Report, path: Path) -> None:
    """Draw every phase; raises OutputError."""
    import matplotlib

    matplotlib.use("Agg")
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)  # it announces its first cache
    from matplotlib import pyplot

    facts = report.provenance
    phases = list(report.phases.values())
    figure, axes = pyplot.subplots(
        len(phases), 2, figsize=(11, 3.6 * len(phases)), layout="constrained", width_ratios=(3, 1), squeeze=False
    )
    size = "{}x{}".format(*facts.network_size)
    figure.suptitle(f"{facts.model} {size} on {facts.backend}, {facts.machine.get('cpu', facts.machine['system'])}")
    for (over_time, spread), phase in zip(axes, phases, strict=True):
        over_time.plot(phase.samples_at_s, phase.samples_ms, ".", markersize=2.5, color="tab:blue")
        over_time.set(xlabel="s", ylabel="latency, ms", title=_title(phase), ylim=(0, None))
        for name, colour in (("p50", "tab:green"), ("p99", "tab:red")):
            value = getattr(phase.latency_ms, name)
            if value is not None:
                over_time.axhline(value, color=colour, linewidth=1, label=f"{name} {value:.1f} ms")
        over_time.legend(loc="upper right")
        spread.hist(phase.samples_ms, bins=60, orientation="horizontal", color="tab:blue")
        spread.set(xlabel="frames", ylim=over_time.get_ylim())
        for axis in (over_time, spread):
            axis.grid(alpha=0.3)
    with written_beside(path) as beside:
        figure.savefig(beside, dpi=110, format="png")
    pyplot.close(figure)


def _title(phase: Phase) -> str:
    offered = "back to back" if phase.rate is None else f"paced at {phase.rate:g}/s"
    return f"{offered}: {phase.fps:.1f} frames/s, n = {phase.latency_ms.n}"
