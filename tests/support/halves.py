"""A picture whose overlay can be told by two colours."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Frame, Result
from tests.support.service import segmented

ROAD, SKY = CAMVID_11.index("Road"), CAMVID_11.index("Sky")


def halves(size: tuple[int, int] = (160, 120), camera: str = "front", **changes: Any) -> Result:
    """A grey picture, sky above and road below."""
    width, height = size
    labels = np.full((height, width), ROAD, np.uint8)
    labels[: height // 2] = SKY
    image = np.full((height, width, 3), 100, np.uint8)
    return segmented(Frame(image, None, 0, time.monotonic_ns(), time.time(), camera, **changes), labels)
