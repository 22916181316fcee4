"""Video files, frame by frame at their own times.

A container's frame count and rate are hints only: an edit list hides frames that are there, browsers and phones record
at varying rates and announce a time base. So a frame has the time that its file gives it, what decodes is all there
is, and a file is called damaged only where the demuxer or the decoder met an error, or where it ends before it says.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge_segnet.core.errors import BadFrame, EndOfStream, InputError, SourceLost
from edge_segnet.core.files import open_file
from edge_segnet.core.types import Fit, Frame, Image
from edge_segnet.core.uris import Flip
from edge_segnet.pictures.files import read_only
from edge_segnet.pictures.shape import fit_image, flip_image
from edge_segnet.pictures.video_containers import video_fault

DEFAULT_FPS: Final = 30.0
MAX_FPS: Final = 240.0
"""A container that knows no rate announces its time base: 1000 a second, 90000 a second."""
TEXT_PROBE: Final = 4096
"""Bytes that tell whether a file is text, which no video is."""
NOT_VIDEO: Final = "videos are .mp4, .avi, .mkv and the like; pictures are known by their content"
_TURNS: Final[dict[int, Flip]] = {90: "rotate-270", -90: "rotate-90", 180: "rotate-180", -180: "rotate-180"}
"""FFmpeg's angles are counterclockwise, ours are not."""


class VideoFile:
    """A ``FiniteSource``. ``fps`` is the announced rate where it can be one, ``length`` an estimate for progress."""

    def __init__(self, path: Path, size: tuple[int, int], fit: Fit = "stretch", camera: str = "video") -> None:
        """Open it.

        Raises:
            InputError: there is no such file, or it is no video.
        """
        self._path, self._size, self._fit, self._camera = path, size, fit, camera
        _check_file(path)
        self._container = _open(path)
        self._stream = _video_stream(self._container, path)
        self._stream.thread_type = "AUTO"
        rate = float(self._stream.average_rate or self._stream.guessed_rate or 0)
        self.fps = rate if 0.0 < rate <= MAX_FPS else DEFAULT_FPS
        self.length = self._estimate()
        self._pictures = self._decode()
        self._seq = self._errors = 0
        self._first: float | None = None
        self._at = 0.0

    def _estimate(self) -> int | None:
        seconds = (self._container.duration or 0) / av.time_base
        frames = round(seconds * self.fps)
        return frames if 1 < frames < 2**31 else None

    def read(self, timeout_s: float = 0.0) -> Frame:  # noqa: ARG002 - a file keeps nobody waiting
        """The next frame; its ``media_s`` counts from the first one.

        Raises:
            BadFrame: this one is damaged; the next call goes on with the next one.
            EndOfStream: that was the last one, and all were whole.
            SourceLost: it was the last one, and the file is cut off or damaged.
            InputError: not one frame could be decoded.
        """
        decoded = next(self._pictures, None)
        if decoded is None:
            raise self._ended()
        at_s, seq = self._time_of(decoded), self._seq
        self._seq += 1
        if decoded.is_corrupt:
            raise BadFrame(f"{self._path}: frame {seq} is damaged", hint="what lies around it is segmented")
        original = read_only(_picture(decoded))
        return Frame(
            image=read_only(fit_image(original, self._size, self._fit)),
            original=original,
            seq=seq,
            captured_ns=time.monotonic_ns(),
            captured_at=time.time(),
            camera=self._camera,
            media_s=at_s,
        )

    def _time_of(self, decoded: VideoFrame) -> float:
        """Seconds since the first frame. A time that is missing, stands still or goes back is the announced rate's."""
        if self._first is None:
            self._first = decoded.time or 0.0
            return 0.0
        at = self._at + 1.0 / self.fps if decoded.time is None else decoded.time - self._first
        if at <= self._at:
            at = self._at + 1.0 / self.fps
            self._first = at if decoded.time is None else decoded.time - at
        self._at = at
        return at

    def _decode(self) -> Generator[VideoFrame, None, None]:
        """Every frame that the decoder gives; counts what it refuses."""
        try:
            for packet in self._container.demux(self._stream):
                self._errors += packet.is_corrupt
                try:
                    yield from packet.decode()
                except av.error.FFmpegError:
                    self._errors += 1
        except av.error.FFmpegError:
            self._errors += 1

    def _ended(self) -> Exception:
        if self._seq == 0:
            return InputError(f"{self._path}: no frame could be decoded", hint="is the file damaged or cut off?")
        hint = "the file is cut off or damaged; what came before is done"
        if fault := video_fault(self._path):
            return SourceLost(f"{self._path}: breaks off after {self._seq} frames ({fault})", hint=hint)
        if self._errors:
            places = f"{self._errors} place{'s' * (self._errors != 1)}"
            return SourceLost(f"{self._path}: {places} in it can't be decoded ({self._seq} frames can)", hint=hint)
        return EndOfStream(f"{self._path}: {self._seq} frames")

    def close(self) -> None:
        """Close the file."""
        self._pictures.close()
        self._container.close()


def _picture(decoded: VideoFrame) -> Image:
    """uint8 [H,W,3] BGR, turned upright as the file says (phones write portrait films that way)."""
    picture = np.asarray(decoded.to_ndarray(format="bgr24"), np.uint8)
    return flip_image(picture, _TURNS.get(decoded.rotation, "none"))


def _open(path: Path) -> InputContainer:
    try:
        # As an address of its own: a name with a colon would be one of FFmpeg's protocols. And of files only.
        return av.open(f"file:{path.absolute()}", options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, ValueError) as error:
        what = f"{path}: not a video that can be decoded"
        raise InputError(what, hint=f"{NOT_VIDEO}, or is it cut off?") from error


def _video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The film, not a music file's cover."""
    films = [
        one for one in container.streams.video if not int(one.disposition) & int(av.stream.Disposition.attached_pic)
    ]
    if not films:
        container.close()
        if fault := video_fault(path):
            raise InputError(f"{path}: not a video that can be decoded ({fault})", hint="copy or record it again")
        raise InputError(f"{path}: not a video that can be decoded, it has no pictures", hint=NOT_VIDEO)
    return films[0]


def _check_file(path: Path) -> None:
    """FFmpeg's own answer to all of these is only 'invalid data'."""
    try:
        with open_file(path) as file:
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
