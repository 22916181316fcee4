"""What lint says, and the data set that it says it of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap
from edge_segnet.data.labels.survey import BANDS, Facts

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One kind of fault: ``code`` for programs; ``files`` that have it (all of them)."""

    severity: Severity
    code: str
    message: str
    hint: str = ""
    files: tuple[str, ...] = ()

    def to_document(self) -> dict[str, Any]:
        return {
            "severity": self.severity,
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "count": len(self.files),
            "files": list(self.files),
        }


@dataclass
class Dataset:
    """What the checks look at. ``void``: the value that stands for void in the files."""

    classes: ClassMap
    void: int
    facts: list[Facts]
    unpaired: list[Path] = field(default_factory=list)

    @property
    def good(self) -> list[Facts]:
        """Pairs that could be read."""
        return [one for one in self.facts if not one.error]

    @property
    def bands(self) -> NDArray[np.int64]:
        """Pixels per stripe and value, all files together, int64 [8,256]."""
        total = np.zeros((BANDS, 256), np.int64)
        for one in self.good:
            total += one.bands
        return total

    @property
    def borders(self) -> NDArray[np.int64]:
        """How often a value lies above another, and left of another, all files together, int64 [2,256,256]."""
        total = np.zeros((2, 256, 256), np.int64)
        for one in self.good:
            if one.borders.size:
                total[:, one.present[:, np.newaxis], one.present] += one.borders
        return total

    def class_pixels(self, split: str | None = None) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Pixels of each class [C], and pixels (void left out) of the pictures that show it [C]."""
        count = len(self.classes)
        pixels, shown = np.zeros(count, np.int64), np.zeros(count, np.int64)
        for one in self.good:
            if split in (None, one.split):
                counts = one.counts[:count].copy()
                if self.void < count:
                    counts[self.void] = 0
                pixels += counts
                shown += np.where(counts > 0, counts.sum(), 0)
        return pixels, shown
