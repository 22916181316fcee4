"""Videos written by FFmpeg, every frame at its own time, whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from edge_segnet.core.errors import OutputError
from edge_segnet.core.files import output_error, written_beside
from edge_segnet.core.types import Image

VIDEO_SUFFIXES: Final = frozenset({".mp4", ".avi", ".mkv", ".mov"})
_CODECS: Final = {".avi": ("mjpeg", "yuvj420p")}
_TICKS: Final = 60000
"""A second in a video's time: 24, 25, 30, 50, 60 and 30000/1001 frames fit exactly; MPEG-4 allows up to 65535."""
_QUALITY: Final = 3
"""Quantiser of 2 (best) to 31."""
SPACE_CHECK_FRAMES: Final = 16
"""How often a video's disk is asked whether it is full: FFmpeg may say so as late as at the end."""


@contextmanager
def video_file(path: Path, fps: float) -> Iterator[VideoWriter]:
    """Writes a video, whole or not at all; its size is the first picture's. ``fps`` is for pictures without a time of
    their own, and for how long the last one stays.

    Raises:
        OutputError: the format is unknown, or the disk is full.
    """
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise OutputError(f"{path}: unknown video format", hint=f"use one of: {', '.join(sorted(VIDEO_SUFFIXES))}")
    with written_beside(path) as beside:
        video = VideoWriter(beside, path, fps)
        try:
            yield video
        except BaseException:
            video.abandon()
            raise
        video.finish()


class VideoWriter:
    """Takes finished pictures, in order."""

    def __init__(self, beside: Path, path: Path, fps: float) -> None:
        self._beside, self._path, self._fps = beside, path, fps
        self._rate = Fraction(fps).limit_denominator(1001)
        self._output: tuple[OutputContainer, VideoStream] | None = None
        self._shape: tuple[int, ...] = ()
        self._first_s: float | None = None
        self._tick = -1
        self.frames = 0

    def write(self, seq: int, picture: NDArray[np.uint8], at_s: float | None = None) -> None:  # noqa: ARG002
        """``at_s``: when the picture is shown, in seconds; None: one after the other. Raises OutputError."""
        picture = even(picture)
        if self.frames % SPACE_CHECK_FRAMES == 0 and _disk_is_full(self._beside):
            raise output_error(self._path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        if self._output is None:
            self._shape = picture.shape
            self._output = self._open(picture.shape[1], picture.shape[0])
        if picture.shape != self._shape:
            picture = np.asarray(cv2.resize(picture, self._shape[1::-1]), np.uint8)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")
        container, stream = self._output
        frame.pts, frame.time_base = self._ticks(at_s), stream.codec_context.time_base
        self._pass_on(container, stream, frame)
        self.frames += 1

    def _ticks(self, at_s: float | None) -> int:
        """The frame's time in the codec's units, after all before it; the first frame's is 0."""
        if at_s is None:
            at_s = float(self.frames / self._rate)
        if self._first_s is None:
            self._first_s = at_s
        self._tick = max(round((at_s - self._first_s) * self._units), self._tick + 1)
        return self._tick

    @property
    def _units(self) -> Fraction:
        """Per second. An .avi has nothing finer than its frames."""
        return self._rate if self._path.suffix.lower() == ".avi" else Fraction(_TICKS)

    def _open(self, width: int, height: int) -> tuple[OutputContainer, VideoStream]:
        codec, pixels = _CODECS.get(self._path.suffix.lower(), ("mpeg4", "yuv420p"))
        try:
            container = av.open(str(self._beside.absolute()), "w", format=_FORMATS[self._path.suffix.lower()])
            stream = container.add_stream(codec, rate=self._rate)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, pixels
            stream.codec_context.time_base = 1 / self._units
            stream.codec_context.options = {"flags": "+qscale", "global_quality": str(_QUALITY * 118)}
            stream.codec_context.open()
        except (av.error.FFmpegError, ValueError) as error:
            what = f"a {width}x{height} {self._path.suffix} video at {self._fps:g} frames/s"
            raise OutputError(f"{self._path}: can't write {what} ({error})", hint="try a smaller picture") from error
        return container, stream

    def _pass_on(self, container: OutputContainer, stream: VideoStream, frame: av.VideoFrame | None) -> None:
        """Encode and write; None: what is left."""
        try:
            for packet in stream.encode(frame):
                packet.duration = round(float(self._units / self._rate))
                container.mux(packet)
        except av.error.FFmpegError as error:
            raise output_error(self._path, OSError(error.errno, error.strerror)) from error

    def finish(self) -> None:
        """Write what is left and the index; raises OutputError."""
        if self._output is None:
            return
        container, stream = self._output
        self._pass_on(container, stream, None)
        self._output = None
        try:
            container.close()
        except av.error.FFmpegError as error:
            raise output_error(self._path, OSError(error.errno, error.strerror)) from error

    def abandon(self) -> None:
        """Close the file as it is."""
        if self._output is not None:
            with suppress(av.error.FFmpegError):
                self._output[0].close()
            self._output = None


_FORMATS: Final = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska", ".avi": "avi"}


def _disk_is_full(path: Path) -> bool:
    space = os.statvfs(path)
    return space.f_bfree == 0 or (space.f_bavail == 0 and os.geteuid() != 0)


def even(image: Image) -> Image:
    """4:2:0 video has even sizes; FFmpeg's writer would cut the last row or column off."""
    right, below = image.shape[1] % 2, image.shape[0] % 2
    if not (right or below):
        return image
    return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
