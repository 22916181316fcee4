"""What ``evaluate --compare`` prints."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from edge_segnet.core.bootstrap import TOTALS, Difference
from edge_segnet.core.stats import percentile
from edge_segnet.offline.compare import FEW, Comparison, Side
from edge_segnet.offline.gate import Verdict


def show(comparison: Comparison, verdicts: Sequence[Verdict], console: Console) -> None:
    """The table of classes, what stands below it, and the gate."""
    console.print(_table(comparison))
    console.print(_summary(comparison))
    for verdict in verdicts:
        console.print(f"gate: {verdict}", markup=False)


def _table(comparison: Comparison) -> Table:
    table = Table("", "OLD", "NEW", "points", "95 % interval", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    old, new = comparison.old.evaluation.scores, comparison.new.evaluation.scores
    totals = [(name.replace("_", " ").replace("iou", "IoU"), getattr(old, name), getattr(new, name)) for name in TOTALS]
    classes = list(zip(comparison.old.card.classes.names, old.iou, new.iou, strict=True))
    for (name, before, after), difference in zip([*totals, *classes], comparison.differences.values(), strict=True):
        table.add_row(name, _percent(before), _percent(after), _points(difference.value), _interval(difference))
    return table


def _summary(comparison: Comparison) -> str:
    old, new = comparison.old, comparison.new
    lines = [
        f"calibration error {_percent(_error(old))} -> {_percent(_error(new))}   "
        f"AUROC of wrong pixels {_auroc(old)} -> {_auroc(new)}",
        f"{_ms(old)} -> {_ms(new)} a frame on {new.backend} ({comparison.speed:.2f} x the speed)",
        f"{100 * comparison.differing:.1f} % of the pixels differ, most of all in "
        + ", ".join(name for name, _ in comparison.worst[:3]),
        f"intervals: {new.evaluation.frames} frames, resampled by {comparison.groups} {comparison.over}",
    ]
    if comparison.over != "drives" or comparison.groups < FEW:
        lines.append("note: so few drives say little about the next one: score more, or name them with --drives")
    return "\n".join(lines)


def _error(side: Side) -> float:
    return side.evaluation.sureness.calibration_error()


def _auroc(side: Side) -> str:
    value = side.evaluation.sureness.auroc_of_wrong()
    return "-" if math.isnan(value) else f"{value:.3f}"


def _ms(side: Side) -> str:
    return f"{percentile(side.times_ms, 0.5):.1f} ms"


def _percent(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.1f} %"


def _points(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:+.2f}"


def _interval(difference: Difference) -> str:
    if math.isnan(difference.low):
        return "-"
    return f"{100 * difference.low:+.2f} to {100 * difference.high:+.2f}"
