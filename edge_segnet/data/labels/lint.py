"""Findings over a whole data set, the worst first; which fault is which is in ``checks.py``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.stats import class_weights
from edge_segnet.data.labels.findings import Dataset, Finding, Severity
from edge_segnet.data.labels.survey import Work, survey, work_list
from edge_segnet.data.pairs import Split, match

SHOWN: Final = 5
"""Files that a finding names; it counts all of them."""


@dataclass(frozen=True)
class Report:
    """The findings, and the numbers that training wants."""

    findings: list[Finding]
    dataset: Dataset

    @property
    def worst(self) -> Severity | None:
        """None for a data set without findings."""
        order: tuple[Severity, ...] = ("error", "warning", "note")
        return next((level for level in order if any(one.severity == level for one in self.findings)), None)

    def weights(self) -> NDArray[np.float32]:
        """Median-frequency weights [C] of the training part, or of everything where there is no ``train``."""
        splits = {one.split for one in self.dataset.facts}
        return class_weights(*self.dataset.class_pixels("train" if "train" in splits else None))

    def to_document(self) -> dict[str, Any]:
        """The JSON report."""
        pixels, _ = self.dataset.class_pixels()
        total = max(int(self.dataset.bands.sum()), 1)
        names = self.dataset.classes.names
        table = {
            name: {
                "id": index,
                "pixels": int(pixels[index]),
                "share": round(int(pixels[index]) / total, 6),
                "images": sum(bool(one.counts[index]) for one in self.dataset.good),
                "weight": round(float(weight), 4),
            }
            for index, (name, weight) in enumerate(zip(names, self.weights(), strict=True))
        }
        splits = dict(Counter(one.split for one in self.dataset.facts))
        return {
            "worst": self.worst,
            "findings": [finding.to_document() for finding in self.findings],
            "class_map": self.dataset.classes.name,
            "classes": table,
            "splits": splits,
        }


def collect(splits: Sequence[Split]) -> tuple[list[Work], list[Path]]:
    """Every pair to read, and the files without a partner; raises InputError for folders that can't be read."""
    work: list[Work] = []
    lonely: list[Path] = []
    for split in splits:
        if split.images is None:
            work += [(split.name, path, None) for path in split.label_files()]
        else:
            pairs, alone = match(split)
            work += work_list(split.name, pairs)
            lonely += alone
    return work, lonely


def lint(
    work: Sequence[Work],
    unpaired: list[Path],
    classes: ClassMap,
    void: int,
    advance: Callable[[], None] = lambda: None,
) -> Report:
    """Read everything once, then run every check."""
    from edge_segnet.data.labels.checks import CHECKS

    dataset = Dataset(classes, void, survey(work, classes, advance), unpaired)
    findings = [finding for check in CHECKS for finding in check(dataset)]
    order = {"error": 0, "warning": 1, "note": 2}
    return Report(sorted(findings, key=lambda finding: order[finding.severity]), dataset)
