"""USB cameras through OpenCV, for commands: the newest frame, whatever time was taken for the one before."""

from __future__ import annotations

import math
import threading
import time
from typing import Final

import cv2
import numpy as np

from edge_segnet.core import threads
from edge_segnet.core.errors import BadFrame, SourceLost
from edge_segnet.core.types import Fit, Frame, Image
from edge_segnet.core.uris import SourceUri
from edge_segnet.pictures import MAX_PIXELS, jpeg
from edge_segnet.pictures.chatter import quiet_decoders
from edge_segnet.pictures.files import read_only
from edge_segnet.pictures.shape import fit_image
from edge_segnet.sources.usb import gives_jpeg, open_usb

DEFAULT_FPS: Final = 30.0
"""Where a driver tells nonsense, as many do for MJPEG."""
MAX_FPS: Final = 1000.0
"""More is a time base that was told as a rate."""
SILENT_S: Final = 10.0
"""Without a frame for so long, the camera is lost."""


Capture = cv2.VideoCapture
_FRAME_TYPE: Final = getattr(cv2, "CAP_PROP_FRAME_TYPE", 69)


def open_stream(address: str, connect_ms: int, read_ms: int) -> Capture:
    """A stream through FFmpeg; ask ``isOpened``. It gives up after these milliseconds, if it keeps its word."""
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, connect_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, read_ms]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)


def frame_type(capture: Capture) -> int:
    """FFmpeg's letter for how the last frame was coded: I needs no other."""
    return int(capture.get(_FRAME_TYPE))


def stamp_ns(capture: Capture) -> int:
    """The driver's own time of the last frame."""
    return int(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6)


class UsbSource:
    """A USB camera as a ``FiniteSource`` without an end. A thread takes all that comes, so that the driver's queue is
    empty: what is decoded is what is seen now.
    """

    length = None

    def __init__(self, camera: SourceUri, size: tuple[int, int], fit: Fit = "stretch", name: str = "camera") -> None:
        """Open it.

        Raises:
            InputError: there is no such camera.
        """
        self._camera, self._size, self._fit, self._name = camera, size, fit, name
        self._capture = open_usb(camera)
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if math.isfinite(fps) and 0.0 < fps <= MAX_FPS else DEFAULT_FPS
        self._compressed = gives_jpeg(self._capture)
        self._news = threading.Condition()
        """Guards the capture and what was grabbed: one thread grabs, another takes the newest."""
        self._grabbed = self._taken = 0
        self._captured_ns = 0
        self._ended = self._closed = False
        self._thread = threads.start(self._grab, f"camera {name}", again=False)

    def _grab(self) -> None:
        while not self._closed:
            with self._news:
                self._ended = self._closed or not self._capture.grab()
                self._grabbed, self._captured_ns = self._grabbed + 1, time.monotonic_ns()
                self._news.notify_all()
                if self._ended:
                    return
            time.sleep(0.001)  # for whoever reads: a lock is not fair

    def read(self, timeout_s: float = 0.0) -> Frame:  # noqa: ARG002 - a command waits for its frame
        """The newest frame, one that came after the last.

        Raises:
            SourceLost: the camera gives none.
            BadFrame: this one is not whole; the next may be.
        """
        with self._news:
            came = self._news.wait_for(lambda: self._grabbed > self._taken or self._ended, SILENT_S)
            if self._ended or not came:
                raise self._lost()
            with quiet_decoders():
                good, picture = self._capture.retrieve()
            self._taken, captured_ns = self._grabbed, self._captured_ns
        if not good or picture is None:
            raise self._lost()
        image = np.asarray(picture, np.uint8)
        original = read_only(self._decoded(image.tobytes()) if self._compressed else image)
        return Frame(
            image=read_only(fit_image(original, self._size, self._fit)),
            original=original,
            seq=self._taken - 1,
            captured_ns=captured_ns,
            captured_at=time.time() - (time.monotonic_ns() - captured_ns) / 1e9,
            camera=self._name,
        )

    def _decoded(self, data: bytes) -> Image:
        seen = jpeg.examine(data)
        if seen.size[0] * seen.size[1] > MAX_PIXELS or seen.fault is not None:
            raise BadFrame(f"{self._camera.shown}: {seen.fault or 'a picture that is too large'}")
        image, wrong = jpeg.decode(data)
        if image is None or wrong is not None:
            raise BadFrame(f"{self._camera.shown}: the JPEG is damaged ({wrong})")
        return image

    def _lost(self) -> SourceLost:
        return SourceLost(f"{self._camera.shown}: no more frames", hint="is it still plugged in?")

    def close(self) -> None:
        """Release the device; may be called twice."""
        self._closed = True
        self._thread.join(SILENT_S)
        self._capture.release()
