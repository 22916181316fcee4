"""What a result looks like, and the files that it becomes."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.errors import OutputError
from edge_segnet.core.files import output_error, written_beside
from edge_segnet.core.stats import shares
from edge_segnet.core.types import Fit, Result
from edge_segnet.pictures.files import (
    IMAGE_SUFFIXES,
    blend,
    colourise,
    draw_legend,
    quiet_decoders,
    unfit_labels,
    write_image,
)

Visual = Literal["overlay", "mask", "labels"]
VIDEO_SUFFIXES: Final = frozenset({".mp4", ".avi", ".mkv", ".mov"})
FOURCC: Final = {".avi": "MJPG"}
SPACE_CHECK_FRAMES: Final = 16
"""How often a video's disk is asked whether it is full; OpenCV itself reports no write errors."""


@dataclass(frozen=True)
class Look:
    """How results are drawn: colours over the picture, colours alone, or raw ids; ``alpha`` is the colours' share."""

    visual: Visual = "overlay"
    alpha: float = 0.5
    legend: bool = False
    fit: Fit = "stretch"


class Writer(Protocol):
    """Takes finished pictures, in order."""

    def write(self, seq: int, picture: NDArray[np.uint8]) -> None: ...


def draw(result: Result, classes: ClassMap, look: Look) -> NDArray[np.uint8]:
    """The picture of a result at source size: uint8 [h,w,3] BGR, or [h,w] ids for ``labels``."""
    frame, segmentation = result.frame, result.segmentation
    labels = unfit_labels(segmentation.labels, frame.source_size, classes.void, look.fit)
    if look.visual == "labels":
        return labels
    picture = colourise(labels, classes.lut_bgr)
    if look.visual == "overlay":
        picture = blend(frame.image if frame.original is None else frame.original, picture, look.alpha)
    if not look.legend:
        return picture
    values = shares(segmentation.counts)
    rows = [
        (name, f"{100 * share:.1f} %", (colour[2], colour[1], colour[0]))
        for name, colour, share in zip(classes.names, classes.colours, values, strict=False)
    ]
    return draw_legend(picture, rows)


def picture_targets(files: Sequence[Path], out: Path, visual: Visual, names_file: bool) -> list[Path]:
    """Where each picture's result goes: ``out`` itself if it names a file, else the same name in the folder ``out``.
    Masks and labels are always PNG, because JPEG would invent classes at their edges.

    Raises:
        OutputError: the name has no picture's suffix, or JPEG's where that would damage the ids.
    """
    lossless = visual != "overlay"
    if names_file and lossless and out.suffix.lower() != ".png":
        raise OutputError(f"{out}: {visual} pictures are loss-free", hint="use a name that ends in .png")
    if names_file and out.suffix.lower() not in IMAGE_SUFFIXES:
        raise OutputError(f"{out}: not a picture's suffix", hint="use a name that ends in .png or .jpg, or a folder")
    return [out] if names_file else [out / (file.stem + (".png" if lossless else file.suffix)) for file in files]


@contextmanager
def image_files(paths: Sequence[Path]) -> Iterator[Writer]:
    """Writes frame ``seq`` to ``paths[seq]``."""
    yield _ImageFiles(paths)


class _ImageFiles:
    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def write(self, seq: int, picture: NDArray[np.uint8]) -> None:
        write_image(self._paths[seq], picture)


@contextmanager
def numbered_files(folder: Path) -> Iterator[Writer]:
    """Writes frame ``seq`` to ``folder/000seq.png``: the loss-free form of a video's labels."""
    yield _NumberedFiles(folder)


class _NumberedFiles:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, seq: int, picture: NDArray[np.uint8]) -> None:
        write_image(self._folder / f"{seq:06d}.png", picture)


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
