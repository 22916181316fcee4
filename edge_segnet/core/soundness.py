"""What a network's outputs say of the network itself: numbers that are none, one class whatever it sees.

    sound --a pixel without numbers--> invalid --a frame with numbers--> sound

A frame of an invalid network is never published. That one class is all that comes is a warning only: a camera may look
at a wall. It is given when the pictures vary, and taken back with the first pixel of another class.
"""

from __future__ import annotations

import logging
from typing import Final

import numpy as np

from edge_segnet.core.errors import ModelError
from edge_segnet.core.types import Frame, Image, Segmentation

logger = logging.getLogger(__name__)
SAME_FRAMES: Final = 100
SAME_FILES: Final = 10
"""Outputs in a row, all of one class, until they are a warning: of a camera, of files."""
VARIED: Final = 12.0
"""Grey levels (standard deviation) of a picture in which there is something to see; a wall has fewer."""
_STEP: Final = 16
"""Every sixteenth pixel in each direction is enough for the spread."""


def varies(image: Image) -> bool:
    """Whether there is anything to see in a picture, uint8 [H,W,3]."""
    return float(np.std(image[::_STEP, ::_STEP])) > VARIED


def fault(segmentation: Segmentation) -> str:
    """Why a result is none; empty where it is one."""
    if segmentation.valid:
        return ""
    return f"the network's outputs are no numbers in {segmentation.broken} of {segmentation.labels.size} pixels"


def require_valid(segmentation: Segmentation, model: str) -> Segmentation:
    """Hand it on.

    Raises:
        ModelError: it is not made of numbers.
    """
    if what := fault(segmentation):
        raise ModelError(f"{model}: {what}", hint="its weights or its precision are broken: convert or build it again")
    return segmentation


class Soundness:
    """Judges every output of one camera's loop. The loop's thread tells it; anybody may read."""

    def __init__(self, same_frames: int = SAME_FRAMES) -> None:
        self._same_frames = same_frames
        self.invalid = 0
        """Frames whose outputs were no numbers."""
        self.fault = ""
        """Why the newest output is none."""
        self.warning = ""
        """Said of outputs that are all of one class, frame after frame."""
        self._class: int | None = None
        self._same = 0

    def takes(self, frame: Frame, segmentation: Segmentation) -> bool:
        """Whether the output may be published."""
        before, self.fault = self.fault, fault(segmentation)
        extra = {"camera": frame.camera, "event": "output-invalid"}
        if self.fault:
            self.invalid += 1
            if not before:
                logger.error("%s: nothing is published: %s", frame.camera, self.fault, extra=extra)
            return False
        if before:
            logger.warning("%s: the network's outputs are numbers again", frame.camera, extra=extra)
        self.look_for_one_class(frame, segmentation)
        return True

    def look_for_one_class(self, frame: Frame, segmentation: Segmentation) -> None:
        """Warn, once, when that is all that comes."""
        index = int(np.argmax(segmentation.counts))
        if int(segmentation.counts[index]) != segmentation.labels.size or index != self._class:
            self._class, self._same, self.warning = index, 0, ""
            return
        if self.warning or not varies(frame.image):
            return
        self._same += 1
        if self._same >= self._same_frames:
            name = (*segmentation.classes.names, "void")[index]
            self.warning = f"{self._same} different pictures, and every pixel is {name}: is the model broken?"
            extra = {"camera": frame.camera, "event": "output-constant"}
            logger.warning("%s: %s", frame.camera, self.warning, extra=extra)
