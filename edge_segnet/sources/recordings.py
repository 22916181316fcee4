"""Recordings in MCAP as a source: our own, and anybody's with pictures of Foxglove's or ROS 2's schemas.

Frames come in the file's order; ``Frame.seq`` is a picture's number within its topic, whether it can be decoded or not.
What the file's chunks hold is trusted only with the right checksum; a damaged chunk costs its own pictures.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import BadFrame, EndOfStream, InputError, SourceLost
from edge_segnet.core.types import Fit, Frame, Image, Labels
from edge_segnet.pictures.files import decode_image, decode_labels, read_only
from edge_segnet.pictures.raw_pixels import RawPixels, grey, to_bgr
from edge_segnet.pictures.shape import fit_image
from edge_segnet.sources.image_messages import VIDEO, Encoded
from edge_segnet.sources.mcap_messages import WHOLE, MessageReader, Part
from edge_segnet.sources.mcap_outline import ImageTopic, Outline, read_outline
from edge_segnet.sources.video_messages import VideoMessages

PAUSE_S: Final = 60.0
"""A longer gap is a clock that jumped, or a recorder that slept: nobody waits for it when the recording is played."""


class RecordingSource:
    """A ``FiniteSource``."""

    def __init__(
        self, path: Path, topic: str | None, size: tuple[int, int], fit: Fit = "stretch", camera: str = "recording"
    ) -> None:
        """Open a recording; ``topic`` None: its only camera.

        Raises:
            InputError: there is no such file or topic, or it is no recording.
        """
        outline = read_outline(path)
        self._begin(outline, outline.topic(topic), WHOLE)
        self._size, self._fit, self._camera = size, fit, camera

    @classmethod
    def of(cls, outline: Outline, topic: ImageTopic, part: Part, size: tuple[int, int], fit: Fit) -> RecordingSource:
        """A part of what was looked at already."""
        source = cls.__new__(cls)
        source._begin(outline, topic, part)
        source._size, source._fit, source._camera = size, fit, topic.name.strip("/").partition("/")[0]
        return source

    def _begin(self, outline: Outline, topic: ImageTopic, part: Part) -> None:
        self._path, self._name, self._part = outline.path, f"{outline.path}?topic={topic.name}", part
        self.fps = outline.rate(topic)
        self.length: int | None = topic.count or None
        self._reader = MessageReader(outline, topic, part)
        self._video: VideoMessages | None = None
        self._times: dict[int, int] = {}
        self._pictures = self._decoded()
        self._good = 0
        self.at_ns = 0
        """Time of the frame that was read last, nanoseconds since the epoch, exact."""
        self._clock = _Clock(1.0 / self.fps)

    def read(self, timeout_s: float = 0.0) -> Frame:  # noqa: ARG002 - a file keeps nobody waiting
        """The next frame; ``captured_at`` is its time in the recording, ``media_s`` counts from the first one.

        Raises:
            BadFrame: this one is damaged; the next call goes on with the next one.
            EndOfStream: that was the last one, and the file is whole.
            SourceLost: it was the last one, and the file is cut off or has damaged chunks.
            InputError: not one frame could be decoded.
        """
        found = next(self._pictures, None)
        if found is None:
            raise self._ended()
        seq, at_ns, picture = found
        self.at_ns, media_s = at_ns, self._clock.at(at_ns)
        if isinstance(picture, BadFrame):
            raise picture
        self._good += 1
        original = read_only(picture)
        image = read_only(fit_image(original, self._size, self._fit))
        now_ns, at_s = time.monotonic_ns(), at_ns / 1e9
        return Frame(image, original, seq, now_ns, at_s, self._camera, media_s=media_s)

    def _decoded(self) -> Generator[tuple[int, int, Image | BadFrame], None, None]:
        """(number, nanoseconds, picture) of what is wanted."""
        for seq, at_ns, decode, data in self._reader.messages():
            try:
                found = decode(data)
                if isinstance(found, Encoded) and found.format in VIDEO:
                    yield from self._from_video(seq, at_ns, found)
                elif self._part.wanted(seq, at_ns):
                    yield seq, at_ns, _still(seq, found)
            except InputError as error:
                yield seq, at_ns, BadFrame(self._named(seq, error), hint=error.hint)
        if self._video is not None:
            yield from self._timed(self._video.flush())

    def _from_video(self, seq: int, at_ns: int, found: Encoded) -> Iterator[tuple[int, int, Image | BadFrame]]:
        """What a message completes: maybe pictures of messages before it, too."""
        self._video = self._video or VideoMessages(found.format, self._name)
        self._times[seq] = at_ns
        yield from self._timed(self._video.decode(seq, found.data))

    def _timed(self, pictures: Iterator[tuple[int, Image | BadFrame]]) -> Iterator[tuple[int, int, Image | BadFrame]]:
        for number, picture in pictures:
            at_ns = self._times.pop(number)
            if self._part.wanted(number, at_ns):
                yield number, at_ns, picture

    def _named(self, seq: int, error: InputError) -> str:
        words = error.message
        return f"{self._name}: {words if words.startswith('picture') else f'picture {seq}: {words}'}"

    def _ended(self) -> Exception:
        reader = self._reader
        hint = "the file is cut off or damaged; what came before is done"
        if reader.fault and self._good:
            return SourceLost(f"{self._path}: {reader.fault} ({self._good} pictures are good)", hint=hint)
        if reader.fault:
            return InputError(f"{self._path}: {reader.fault}, no picture could be read", hint="record or copy it again")
        if not self._good and self._part is WHOLE:
            return InputError(f"{self._name}: not one picture in it", hint="is the topic empty?")
        return EndOfStream(f"{self._name}: {self._good} pictures")

    def close(self) -> None:
        """Close the file."""
        self._pictures.close()
        self._reader.close()


def _still(seq: int, found: Encoded | RawPixels) -> Image:
    if isinstance(found, RawPixels):
        return to_bgr(found, f"picture {seq}")
    return decode_image(found.data, f"picture {seq}")


def holds_video(outline: Outline, topic: ImageTopic) -> bool:
    """Whether a topic's messages alone are no pictures, by its first one; raises InputError."""
    with closing(MessageReader(outline, topic, Part(0, 1))) as reader:
        for _, _, decode, data in reader.messages():
            with suppress(BadFrame):
                found = decode(data)
                return isinstance(found, Encoded) and found.format in VIDEO
    return False


def label_images(path: Path, topic: str | None) -> Iterator[tuple[int, Labels]]:
    """(nanoseconds, uint8 [H,W] class ids) of a recording's label images, in the file's order: grey or palette PNGs,
    or raw pixels of one byte.

    Raises:
        InputError: there is no such topic, its pictures are no label images, or the file is damaged.
    """
    outline = read_outline(path)
    chosen = outline.labels_topic(topic)
    name = f"{path}?topic={chosen.name}"
    with closing(MessageReader(outline, chosen, WHOLE)) as reader:
        for seq, at_ns, decode, data in reader.messages():
            found = decode(data)
            if isinstance(found, RawPixels):
                yield at_ns, grey(found, f"{name}: picture {seq}")
            else:
                yield at_ns, decode_labels(found.data, Path(f"{name}: picture {seq}"))
        if reader.fault:
            raise InputError(f"{name}: {reader.fault}", hint="copy or record it again")


class _Clock:
    """Seconds since the first picture. A time that stands still, goes back or jumps is one picture's later."""

    def __init__(self, period_s: float) -> None:
        self._period_s = period_s
        self._before_ns: int | None = None
        self._media_s = 0.0

    def at(self, at_ns: int) -> float:
        """Of a picture with that time."""
        if self._before_ns is not None:
            step_s = (at_ns - self._before_ns) / 1e9
            self._media_s += step_s if 0.0 < step_s <= PAUSE_S else self._period_s
        self._before_ns = at_ns
        return self._media_s
