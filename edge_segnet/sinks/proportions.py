"""A picture as the camera saw it, from one that was stretched for the network."""

from __future__ import annotations

from edge_segnet.core.types import Result
from edge_segnet.pictures import shape


def seen_size(result: Result) -> tuple[int, int]:
    """(width, height) at which the result has the camera's proportions again; the network's own are stretched."""
    height, width = result.segmentation.labels.shape
    return shape.seen_size((width, height), result.frame.source_size, result.view.fit)
