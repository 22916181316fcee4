"""Video files and USB cameras through OpenCV."""

from __future__ import annotations

import os
import time
from pathlib import Path

import cv2
import numpy as np

from edge_segnet.errors import EndOfStream, InputError, SourceLost
from edge_segnet.imaging import fit_image
from edge_segnet.types import Fit, Frame

# FFmpeg's own chatter about a broken file would stand beside our one line; -8 is its AV_LOG_QUIET.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
DEFAULT_FPS = 30.0
COUNT_TOLERANCE = 0.95
"""Containers without an index only estimate their frame count."""


class VideoSource:
    """A video file, or the USB camera with an index."""

    def __init__(self, video: Path | int, size: tuple[int, int], fit: Fit = "stretch", camera: str = "video") -> None:
        """Open it.

        Raises:
            InputError: there is no such file or camera, or it is no video.
        """
        self._video, self._size, self._fit, self._camera = video, size, fit, camera
        self._seq = 0
        if isinstance(video, Path):
            _check_file(video)
        self._capture = cv2.VideoCapture(video if isinstance(video, int) else str(video))
        if not self._capture.isOpened():
            raise self._unusable()
        self.fps = float(self._capture.get(cv2.CAP_PROP_FPS)) or DEFAULT_FPS
        count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        self.length = count if isinstance(video, Path) and count > 0 else None

    def _unusable(self) -> InputError:
        if isinstance(self._video, int):
            hint = "list cameras with: ls /dev/video*; you must be in the group 'video'"
            return InputError(f"no USB camera {self._video}", hint=hint)
        return InputError(f"{self._video}: not a video that can be decoded")

    def read(self, timeout_s: float = 0.0) -> Frame:  # noqa: ARG002 - OpenCV's read has no time-out
        """The next frame.

        Raises:
            EndOfStream: the file is at its end.
            SourceLost: the camera gave nothing, or the file breaks off before its announced end.
        """
        good, picture = self._capture.read()
        if not good:
            raise self._ended()
        original = np.asarray(picture, np.uint8)
        frame = Frame(
            image=fit_image(original, self._size, self._fit),
            original=original,
            seq=self._seq,
            captured_ns=time.monotonic_ns(),
            captured_at=time.time(),
            camera=self._camera,
        )
        self._seq += 1
        return frame

    def _ended(self) -> Exception:
        if isinstance(self._video, int):
            return SourceLost(f"USB camera {self._video} gives no more frames", hint="is it still plugged in?")
        if self._seq == 0:
            return InputError(f"{self._video}: no frame could be decoded")
        if self.length and self._seq < COUNT_TOLERANCE * self.length - 1:
            return SourceLost(f"{self._video}: breaks off after {self._seq} of {self.length} frames")
        return EndOfStream(f"{self._video}: {self._seq} frames")

    def close(self) -> None:
        """Release the file or device."""
        self._capture.release()


def _check_file(path: Path) -> None:
    """OpenCV's own answer to all of these is only 'not opened'."""
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from error
    if empty:
        raise InputError(f"{path}: the file is empty")
