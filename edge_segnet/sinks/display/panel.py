"""One picture that says everything about a result: input, colours, legend with counts and shares, times."""

from __future__ import annotations

from typing import Final

import numpy as np

from edge_segnet.core.stats import shares
from edge_segnet.core.types import Image, Result
from edge_segnet.pictures.overlay import RenderStyle, draw_legend, render
from edge_segnet.pictures.text import write

LINE: Final = 24
"""Pixels of the line of text below the pictures."""
_SCALE, _TEXT, _BACK = 0.5, (235, 235, 235), 24
LEAST_HEIGHT: Final = 270
"""Pixels; smaller networks' pictures are enlarged, so that the legend's letters fit beside them."""


def compose(result: Result, per_second: float) -> Image:
    """Input and colours side by side, legend at the right, times below: uint8 [H,W,3] BGR.

    ``per_second``: pictures shown per second.
    """
    sides = render(result, RenderStyle("camera")), render(result, RenderStyle("mask"))
    pictures = np.concatenate(sides, axis=1)
    if pictures.shape[0] < LEAST_HEIGHT:
        factor = -(-LEAST_HEIGHT // pictures.shape[0])
        pictures = pictures.repeat(factor, axis=0).repeat(factor, axis=1)
    counts, classes = result.segmentation.counts, result.view.classes
    rows = [
        (name, f"{int(count):,}  {100 * share:4.1f} %", (colour[2], colour[1], colour[0]))
        for name, colour, count, share in zip(classes.names, classes.colours, counts, shares(counts), strict=False)
    ]
    body = draw_legend(np.ascontiguousarray(pictures), rows, widest=f"{int(counts.sum()):,}  100.0 %")
    line = np.full((2 * LINE, body.shape[1], 3), _BACK, np.uint8)
    for index, text in enumerate(_times(result, per_second)):
        write(line, text, (8, (index + 1) * LINE - 7), _SCALE, _TEXT)
    return np.concatenate([body, line])


def _times(result: Result, per_second: float) -> tuple[str, str]:
    stages = ",  ".join(f"{name} {time_ms:.1f} ms" for name, time_ms in result.segmentation.stages_ms.items())
    notes = "  SYNTHETIC" * result.frame.synthetic + "  DAMAGED" * (not result.frame.whole) + "  STALE" * result.stale
    about = (
        f"{result.frame.camera}: {result.model} on {result.backend},  {per_second:.1f} frames/s,  "
        f"age {result.age_now_ms:.0f} ms,  dropped {result.dropped.total}{notes}    ESC quits"
    )
    return stages, about
