"""Video files and USB cameras through OpenCV."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from edge_segnet.core.errors import EndOfStream, InputError, SourceLost
from edge_segnet.core.types import Fit, Frame
from edge_segnet.core.uris import SourceUri
from edge_segnet.pictures.files import quiet_decoders, read_only
from edge_segnet.pictures.shape import fit_image
from edge_segnet.sources.usb import open_usb

DEFAULT_FPS: Final = 30.0
MAX_FPS: Final = 1000.0
"""A container that knows no rate announces its time base, up to 90000 a second."""
EXACT_COUNTS: Final = frozenset({".mp4", ".mov", ".m4v"})
"""Other containers estimate their frame count; these count, but an edit list may hide some frames."""
TEXT_PROBE: Final = 4096
NOT_VIDEO: Final = "videos are .mp4, .avi, .mkv and the like; pictures need a picture's suffix"


class VideoSource:
    """A video file, or a USB camera."""

    def __init__(
        self, video: Path | SourceUri, size: tuple[int, int], fit: Fit = "stretch", camera: str = "video"
    ) -> None:
        """Open it.

        Raises:
            InputError: there is no such file or camera, or it is no video.
        """
        self._video, self._size, self._fit, self._camera = video, size, fit, camera
        self._seq = 0
        self._capture = _open_file(video) if isinstance(video, Path) else open_usb(video)
        fps = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.fps = fps if math.isfinite(fps) and 0.0 < fps <= MAX_FPS else DEFAULT_FPS
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.length = int(count) if isinstance(video, Path) and 0 < count < 2**31 else None

    def read(self, timeout_s: float = 0.0) -> Frame:  # noqa: ARG002 - OpenCV's read has no time-out
        """The next frame.

        Raises:
            EndOfStream: the file is at its end.
            SourceLost: the camera gave nothing, or the file breaks off before its announced end.
        """
        if not self._capture.grab():
            raise self._ended()
        # A camera's JPEGs are decoded here; waiting for one happened above.
        with quiet_decoders():
            good, picture = self._capture.retrieve()
        if not good:
            raise self._ended()
        original = read_only(np.asarray(picture, np.uint8))
        frame = Frame(
            image=read_only(fit_image(original, self._size, self._fit)),
            original=original,
            seq=self._seq,
            captured_ns=time.monotonic_ns(),
            captured_at=time.time(),
            camera=self._camera,
        )
        self._seq += 1
        return frame

    def _ended(self) -> Exception:
        if isinstance(self._video, SourceUri):
            return SourceLost(f"{self._video.shown}: no more frames", hint="is it still plugged in?")
        if self._seq == 0:
            return InputError(f"{self._video}: no frame could be decoded", hint="is the file damaged or cut off?")
        tolerated = 0.01 if self._video.suffix.lower() in EXACT_COUNTS else 0.05
        if self.length and self.length - self._seq > max(2.0, tolerated * self.length):
            hint = "the file is cut off or damaged"
            return SourceLost(f"{self._video}: breaks off after {self._seq} of {self.length} frames", hint=hint)
        return EndOfStream(f"{self._video}: {self._seq} frames")

    def close(self) -> None:
        """Release the file or device."""
        self._capture.release()


def _open_file(path: Path) -> cv2.VideoCapture:
    _check_file(path)
    with quiet_decoders():
        capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise InputError(f"{path}: not a video that can be decoded", hint=f"{NOT_VIDEO}, or is it cut off?")
    return capture


def _check_file(path: Path) -> None:
    """OpenCV's own answer to all of these is only 'not opened'."""
    try:
        with path.open("rb") as file:
            head = file.read(TEXT_PROBE)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint="check the file and its rights") from error
    if not head:
        raise InputError(f"{path}: the file is empty", hint="copy or record it again")
    if _is_text(head):
        raise InputError(f"{path}: a text file, not a video", hint=NOT_VIDEO)


def _is_text(head: bytes) -> bool:
    """FFmpeg plays text as ANSI art, and playlists may name any other file or address: neither is a video here."""
    return not head.startswith(b"YUV4MPEG2") and not any(byte < 32 and byte not in b"\t\n\f\r\x1b" for byte in head)
