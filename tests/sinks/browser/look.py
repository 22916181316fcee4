"""What browser tests share: a picture whose pixels are known, and how to look at it.

A page's own policy forbids ``eval``, which Playwright's ``wait_for_function`` needs from its second look on: where no
selector says it, ``wait_until(lambda: page.evaluate(...))``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Frame, Result
from tests.support.service import segmented

SIZE = (160, 120)
OpenPage = Callable[..., Any]
"""The fixture ``open_page``."""


def halves(camera: str = "front", synthetic: bool = False, scaled_from: tuple[int, int] | None = None) -> Result:
    """A frame that is green everywhere; left half Road, right half Sky."""
    image = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    image[:] = (40, 200, 40)
    labels = np.full((SIZE[1], SIZE[0]), CAMVID_11.index("Sky"), np.uint8)
    labels[:, : SIZE[0] // 2] = CAMVID_11.index("Road")
    frame = Frame(image, None, 0, time.monotonic_ns(), time.time(), camera, synthetic, scaled_from)
    return segmented(frame, labels)


def pixel(page: Any, share_x: float, share_y: float = 0.5) -> list[int]:
    """RGB of the picture."""
    script = """([x, y]) => { const from = document.getElementById("view"), to = new OffscreenCanvas(1, 1);
        const context = to.getContext("2d", { willReadFrequently: true });
        context.drawImage(from, Math.floor(x * from.width), Math.floor(y * from.height), 1, 1, 0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3) }"""
    values: list[int] = page.evaluate(script, [share_x, share_y])
    return values


def wait_for_pixel(page: Any, share_x: float, rgb: tuple[int, ...]) -> None:
    """Until the picture has about that colour there."""
    deadline = time.monotonic() + 30
    while max(abs(a - b) for a, b in zip(pixel(page, share_x), rgb, strict=True)) > 12:
        assert time.monotonic() < deadline, f"{pixel(page, share_x)} instead of {rgb}"
        page.wait_for_timeout(30)


def live(page: Any) -> Any:
    page.wait_for_selector('#stage[data-state="live"]')
    return page
