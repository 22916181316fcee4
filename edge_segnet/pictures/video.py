"""Videos written by OpenCV's FFmpeg, whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.errors import OutputError
from edge_segnet.core.files import output_error, written_beside
from edge_segnet.core.types import Image
from edge_segnet.pictures.files import quiet_decoders

VIDEO_SUFFIXES: Final = frozenset({".mp4", ".avi", ".mkv", ".mov"})


FOURCC: Final = {".avi": "MJPG"}


SPACE_CHECK_FRAMES: Final = 16
"""How often a video's disk is asked whether it is full; OpenCV itself reports no write errors."""


class Writer(Protocol):
    """Takes finished pictures, in order."""

    def write(self, seq: int, picture: NDArray[np.uint8]) -> None: ...


@contextmanager
def video_file(path: Path, fps: float) -> Iterator[Writer]:
    """Writes a video, whole or not at all; its size is the first picture's.

    Raises:
        OutputError: the format is unknown, or the disk is full (the finished file does not hold every frame).
    """
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise OutputError(f"{path}: unknown video format", hint=f"use one of: {', '.join(sorted(VIDEO_SUFFIXES))}")
    with written_beside(path) as beside:
        video = _VideoFile(beside, path, fps)
        try:
            yield video
        finally:
            video.release()
        _check_video(beside, path, video.frames)


class _VideoFile:
    def __init__(self, beside: Path, path: Path, fps: float) -> None:
        self._beside, self._path, self._fps = beside, path, fps
        self._writer: cv2.VideoWriter | None = None
        self._shape: tuple[int, ...] = ()
        self.frames = 0

    def write(self, seq: int, picture: NDArray[np.uint8]) -> None:  # noqa: ARG002 - a video has no gaps
        if picture.shape[0] % 2 or picture.shape[1] % 2:
            # 4:2:0 video has even sizes; FFmpeg's writer would cut the last row or column off.
            right, below = picture.shape[1] % 2, picture.shape[0] % 2
            picture = np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        if self._writer is None:
            self._shape = picture.shape
            self._writer = self._open(picture.shape[1], picture.shape[0])
        if picture.shape != self._shape:
            # OpenCV drops such a frame without a word.
            picture = np.asarray(cv2.resize(picture, self._shape[1::-1]), np.uint8)
        if self.frames % SPACE_CHECK_FRAMES == 0 and _disk_is_full(self._beside):
            raise output_error(self._path, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
        self._writer.write(picture)
        self.frames += 1

    def _open(self, width: int, height: int) -> cv2.VideoWriter:
        code = cv2.VideoWriter.fourcc(*FOURCC.get(self._path.suffix.lower(), "mp4v"))
        with quiet_decoders():
            writer = cv2.VideoWriter(str(self._beside), code, self._fps, (width, height))
        if not writer.isOpened():
            what = f"a {width}x{height} {self._path.suffix} video at {self._fps:g} frames/s"
            raise OutputError(f"{self._path}: can't write {what}", hint="try an .avi, or a smaller picture")
        return writer

    def release(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None


def _disk_is_full(path: Path) -> bool:
    space = os.statvfs(path)
    return space.f_bfree == 0 or (space.f_bavail == 0 and os.geteuid() != 0)


def _check_video(beside: Path, path: Path, frames: int) -> None:
    if not beside.is_file():
        return  # a device
    with quiet_decoders():
        capture = cv2.VideoCapture(str(beside))
    try:
        written = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    finally:
        capture.release()
    if written < frames:
        raise OutputError(
            f"{path}: only {written} of {frames} frames reached the disk", hint="is the disk full? free some space"
        )


class Reel:
    """MPEG-4 in whatever container the name says, by OpenCV's FFmpeg: pictures of one size, one after the other."""

    def __init__(self, path: Path, rate: float, size: tuple[int, int]) -> None:
        """``rate``: pictures per second; ``size``: (width, height). Raises OutputError: OpenCV can't write that."""
        with quiet_decoders():
            code = cv2.VideoWriter.fourcc(*"mp4v")
            self._writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, rate, size)
        if not self._writer.isOpened():
            path.unlink(missing_ok=True)
            raise OutputError(f"{path}: OpenCV can't write a {size[0]}x{size[1]} video at {rate:g} frames/s")

    def write(self, picture: Image) -> None:
        """Append a picture, uint8 [H,W,3] BGR."""
        self._writer.write(picture)

    def release(self) -> None:
        """Finish the file."""
        self._writer.release()


def even(image: Image) -> Image:
    """4:2:0 video has even sizes; FFmpeg's writer would cut the last row or column off."""
    right, below = image.shape[1] % 2, image.shape[0] % 2
    if not (right or below):
        return image
    return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
