"""What a supervisor's capture thread serves, and how a frame comes to the size that is asked for now."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Final

from edge_segnet.core import threads
from edge_segnet.core.types import Fit, Frame
from edge_segnet.core.uris import without_credentials
from edge_segnet.pictures.files import read_only
from edge_segnet.pictures.shape import fit_image, middle
from edge_segnet.sources.live import LiveSource

GRACE_S: Final = 0.15
"""A busy machine's whims: a call that is this late is slow, not hung."""
CLOSE_LIMIT_S: Final = 5.0
"""GStreamer waits for its threads here: longer is a hang."""

logger = logging.getLogger(__name__)


class Capture:
    """One capture thread's place: which source it serves, and by when the call that it is in should be over."""

    def __init__(self, source: LiveSource | None = None) -> None:
        self.source = source
        self.thread: threads.Thread | None = None
        self._due_ns: int | None = None

    def enter(self, limit_s: float) -> None:
        """A call begins that should be over within ``limit_s``."""
        self._due_ns = time.monotonic_ns() + int((limit_s + GRACE_S) * 1e9)

    def leave(self) -> None:
        """It is over."""
        self._due_ns = None

    def overdue(self) -> bool:
        """Whether a call takes longer than it should."""
        due_ns = self._due_ns
        return due_ns is not None and time.monotonic_ns() > due_ns

    def release(self, camera: str) -> None:
        """Close what this thread serves, or what the thread before it left."""
        source, self.source = self.source, None
        if source is None:
            return
        self.enter(CLOSE_LIMIT_S)
        try:
            source.close()
        except Exception as error:  # noqa: BLE001 - one camera must not take the others down
            logger.debug("camera %s: closing: %s", camera, without_credentials(str(error)))
        self.leave()


def at_size(frame: Frame, size: tuple[int, int], fit: Fit) -> Frame:
    """The frame at (width, height), where its source has not followed a resize yet; as it is, if it does not show what
    is to be seen there.
    """
    had = frame.image.shape[1], frame.image.shape[0]
    if had == size:
        return frame
    whole, shape = frame.original, frame.source_size[::-1]
    if whole is None and fit == "crop":
        # The middle of a middle is the middle: only what is wider or higher than what was cut out is not there.
        there, wanted = middle(shape, had)[2:], middle(shape, size)[2:]
        if wanted[0] > there[0] or wanted[1] > there[1]:
            return frame
    image = fit_image(frame.image if whole is None else whole, size, fit)
    return replace(frame, image=read_only(image), scaled_from=frame.source_size)
