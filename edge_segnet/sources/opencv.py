"""USB cameras through OpenCV, for commands that want every frame."""

from __future__ import annotations

import math
import time
from typing import Final

import cv2
import numpy as np

from edge_segnet.core.errors import SourceLost
from edge_segnet.core.types import Fit, Frame
from edge_segnet.core.uris import SourceUri
from edge_segnet.pictures.chatter import quiet_decoders
from edge_segnet.pictures.files import read_only
from edge_segnet.pictures.shape import fit_image
from edge_segnet.sources.usb import open_usb

DEFAULT_FPS: Final = 30.0
MAX_FPS: Final = 1000.0


class UsbSource:
    """A USB camera as a ``FiniteSource`` without an end."""

    length = None

    def __init__(self, camera: SourceUri, size: tuple[int, int], fit: Fit = "stretch", name: str = "camera") -> None:
        """Open it.

        Raises:
            InputError: there is no such camera.
        """
        self._camera, self._size, self._fit, self._name = camera, size, fit, name
        self._seq = 0
        self._capture = open_usb(camera)
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if math.isfinite(fps) and 0.0 < fps <= MAX_FPS else DEFAULT_FPS

    def read(self, timeout_s: float = 0.0) -> Frame:  # noqa: ARG002 - OpenCV's read has no time-out
        """The next frame; raises SourceLost when the camera gives none."""
        if not self._capture.grab():
            raise self._lost()
        # A camera's JPEGs are decoded here; waiting for one happened above.
        with quiet_decoders():
            good, picture = self._capture.retrieve()
        if not good:
            raise self._lost()
        original = read_only(np.asarray(picture, np.uint8))
        frame = Frame(
            image=read_only(fit_image(original, self._size, self._fit)),
            original=original,
            seq=self._seq,
            captured_ns=time.monotonic_ns(),
            captured_at=time.time(),
            camera=self._name,
        )
        self._seq += 1
        return frame

    def _lost(self) -> SourceLost:
        return SourceLost(f"{self._camera.shown}: no more frames", hint="is it still plugged in?")

    def close(self) -> None:
        """Release the device."""
        self._capture.release()
