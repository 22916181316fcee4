"""A PNG of what a margin is worth: risk over coverage, and how often the pixels of a confidence are right."""

from __future__ import annotations

import logging
from pathlib import Path

from edge_segnet.core.errors import UsageError
from edge_segnet.core.files import written_beside
from edge_segnet.core.reliability import Tally, confidence


def check_plotting() -> None:
    """Raises UsageError where matplotlib is missing: known before the run, not after it."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UsageError("--curve needs matplotlib", hint="pip install 'edge-segnet[bench]'") from error


def plot(sureness: Tally, path: Path, title: str) -> None:
    """Draw both; raises OutputError."""
    import matplotlib

    matplotlib.use("Agg")
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)  # it announces its first cache
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    error, auroc = 100 * sureness.calibration_error(), sureness.auroc_of_wrong()
    figure.suptitle(f"{title}: calibration error {error:.1f} %, AUROC of wrong pixels {auroc:.3f}")
    coverage, risk = sureness.risk_coverage()
    left.plot(100 * coverage, 100 * risk)
    left.set(xlabel="coverage: surest pixels, %", ylabel="risk: of these wrong, %", xlim=(0, 100), ylim=(0, None))
    total = sureness.counts.sum(axis=1)
    seen = total > 0
    right.plot(100 * confidence()[seen], 100 * sureness.counts[seen, 1] / total[seen], ".", label="found")
    right.plot([50, 100], [50, 100], linewidth=1, color="grey", label="perfectly calibrated")
    right.set(xlabel="confidence, %", ylabel="right, %", xlim=(50, 100), ylim=(0, 100))
    right.legend(loc="lower right")
    for axis in (left, right):
        axis.grid(alpha=0.3)
    with written_beside(path) as beside:
        figure.savefig(beside, dpi=110, format="png")
    pyplot.close(figure)
