"""A picture as the camera saw it, from one that was stretched for the network."""

from __future__ import annotations

from edge_segnet.types import Fit, Result


def seen_size(result: Result, fit: Fit) -> tuple[int, int]:
    """(width, height) at which the result has the camera's proportions again; the network's own are stretched.

    Whichever side must grow grows, so that nothing of the network's resolution is lost.
    """
    height, width = result.segmentation.labels.shape
    source_width, source_height = result.frame.source_size
    seen_width = round(height * source_width / source_height)
    if fit == "crop" or abs(seen_width - width) <= 1:
        return width, height
    return (seen_width, height) if seen_width > width else (width, round(width * source_height / source_width))
