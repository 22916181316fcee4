"""A head's outputs -> a ``Segmentation``: the same on every backend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.calibration import Calibration
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.margins import uncertain_counts
from edge_segnet.core.types import Counts, Frame, Labels, Segmentation

WINNING_ONE: Final = 4096
"""What a logit of one is in the kernel's integers."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """What the head says (see ``graph.head``). ``winning`` is summed over all pixels but the ``broken`` ones."""

    labels: Labels
    margins: Labels
    counts: Counts
    uncertain: Counts
    winning: float
    broken: int


def stacked(frames: Sequence[Frame]) -> NDArray[np.uint8]:
    """Their pictures as a graph takes them, uint8 [N,H,W,3]; one alone is not copied."""
    if len(frames) == 1:
        return frames[0].image[np.newaxis]
    return np.stack([frame.image for frame in frames])


def apart(found: Sequence[Any]) -> list[list[Any]]:
    """The head's outputs of several frames -> those of each; copied, so that none keeps the others' memory."""
    frames = len(found[0])
    return [list(found)] if frames == 1 else [[each[at : at + 1].copy() for each in found] for at in range(frames)]


def from_head(found: Sequence[Any], classes: int) -> Decoded:
    """``found``: the graph's outputs ``head.DECODED``, arrays that the caller gives away."""
    (labels,), (margins,), winning, broken = found
    counts = np.bincount(labels.reshape(-1), minlength=classes + 1).astype(np.int64, copy=False)
    uncertain = uncertain_counts(labels, margins, classes)
    return Decoded(labels, margins, counts, uncertain, float(winning[0]), int(broken[0]))


def from_kernel(pixels: Labels, totals: NDArray[np.uint32]) -> Decoded:
    """``pixels`` [2,H,W] and ``totals`` as ``decode.cu`` writes them."""
    classes = (totals.size - 4) // 2
    winning = totals[:2].view(np.int64).item() / WINNING_ONE
    counted = totals.astype(np.int64)
    counts, uncertain = counted[2 : 3 + classes], counted[3 + classes : -1]
    return Decoded(pixels[0], pixels[1], counts, uncertain, winning, counted.item(-1))


def segmentation(
    decoded: Decoded,
    classes: ClassMap,
    calibration: Calibration | None,
    stages_ms: Mapping[str, float],
    together: int = 1,
) -> Segmentation:
    """Makes the arrays read-only. ``together``: as ``Segmentation`` has it."""
    pixels = decoded.labels.size
    whole = pixels - decoded.broken
    winning = decoded.winning / whole if whole else None
    for array in (decoded.labels, decoded.margins, decoded.counts, decoded.uncertain):
        array.setflags(write=False)
    return Segmentation(
        labels=decoded.labels,
        counts=decoded.counts,
        low_margin=sum(decoded.uncertain.tolist()) / pixels,
        stages_ms=stages_ms,
        uncertain=decoded.uncertain,
        classes=classes,
        margins=decoded.margins,
        winning=winning,
        unfamiliar=calibration.unfamiliar(winning) if calibration and winning is not None else None,
        broken=decoded.broken,
        together=together,
    )
