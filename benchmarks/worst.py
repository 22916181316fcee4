"""The frames that a model does worst on, side by side with the truth: somebody should look at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.types import Image, Labels
from edge_segnet.data.pairs import Pair
from edge_segnet.pictures.overlay import blend, colourise
from edge_segnet.pictures.shape import scaled

MOST = 20
TILE = (240, 180)
"""(width, height) of one picture on the sheet."""


def sheet(
    pairs: Sequence[Pair],
    means: Sequence[float],
    see: Callable[[Image], tuple[Labels, Labels, float | None]],
    classes: ClassMap,
) -> Image:
    """Rows of two frames, the worst first; of each the picture, what the network said, the truth, where it is wrong.

    Args:
        means: mean IoU of every pair.
        see: picture -> labels, margins and more, at its size.
    """
    worst = sorted(range(len(pairs)), key=lambda index: means[index])[:MOST]
    rows = [_row(pairs[index], means[index], see, classes) for index in worst]
    if len(rows) % 2:
        rows.append(np.zeros_like(rows[0]))
    return np.concatenate([np.concatenate(rows[at : at + 2], axis=1) for at in range(0, len(rows), 2)])


def _row(
    pair: Pair, mean: float, see: Callable[[Image], tuple[Labels, Labels, float | None]], classes: ClassMap
) -> Image:
    image, truth = pair.read(len(classes), classes.void)
    labels = see(image)[0]
    wrong = (labels != truth) & (truth < len(classes))
    marked = np.where(wrong[..., None], np.array([40, 40, 240], np.uint8), image // 2 + 60)
    said, true = (blend(image, colourise(ids, classes.lut_bgr), 0.7) for ids in (labels, truth))
    row = np.concatenate([scaled(np.asarray(view, np.uint8), TILE) for view in (image, said, true, marked)], axis=1)
    text = f"{pair.image.stem}  mean IoU {100 * mean:.0f} %"
    cv2.rectangle(row, (0, 0), (TILE[0], 20), (0, 0, 0), cv2.FILLED)
    cv2.putText(row, text, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return row
