"""A PNG of the learning curves."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edge_segnet.core.files import written_beside


def plot(history: Sequence[dict[str, Any]], path: Path, title: str) -> None:
    """Loss, mean IoU and global accuracy over the steps, from ``Trainer.history``; raises OutputError."""
    import matplotlib

    matplotlib.use("Agg")
    logging.getLogger("matplotlib.font_manager").setLevel(logging.WARNING)  # it announces its first cache
    from matplotlib import pyplot

    steps = [entry["step"] for entry in history]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4), layout="constrained")
    figure.suptitle(title)
    losses = [float("nan") if entry["loss"] is None else entry["loss"] for entry in history]
    left.plot(steps, losses, color="tab:red")
    left.set(xlabel="step", ylabel="training loss")
    for key, label in (("mean_iou", "mean IoU"), ("global_accuracy", "global accuracy")):
        right.plot(steps, [100 * entry["validation"][key] for entry in history], marker=".", label=label)
    right.set(xlabel="step", ylabel="validation, %", ylim=(0, 100))
    right.legend(loc="lower right")
    for axis in (left, right):
        axis.grid(alpha=0.3)
    with written_beside(path) as beside:
        figure.savefig(beside, dpi=110)
    pyplot.close(figure)
