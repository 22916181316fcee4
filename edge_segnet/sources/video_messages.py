"""A video that comes in messages, a picture in each: H.264 and its kin, decoded by FFmpeg."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from edge_segnet.core.errors import BadFrame, InputError
from edge_segnet.core.types import Image

_NAMES: Final = {"h265": "hevc"}


class VideoMessages:
    """Decodes one stream; its messages must come in order."""

    def __init__(self, form: str, name: str) -> None:
        """``form``: as messages spell it; ``name`` stands for the stream in errors. Raises InputError."""
        try:
            codec = av.CodecContext.create(_NAMES.get(form, form), "r")
        except (av.error.FFmpegError, ValueError) as error:
            raise InputError(f"{name}: a video of format {form!r} can't be decoded here") from error
        assert isinstance(codec, VideoCodecContext)
        codec.thread_count = 1  # with more, every picture comes that many messages late
        self._codec, self._name = codec, name
        self._waiting: list[int] = []

    def decode(self, seq: int, data: bytes) -> Iterator[tuple[int, Image | BadFrame]]:
        """(number of the message, its picture uint8 [H,W,3] BGR) of what message ``seq`` completes; BadFrame: there is
        none to be had of that message.
        """
        packet = av.Packet(data)
        packet.pts = packet.dts = seq
        self._waiting.append(seq)
        try:
            decoded = self._codec.decode(packet)
        except av.error.FFmpegError:
            self._waiting.remove(seq)
            yield seq, self._bad(seq)
            return
        for frame in decoded:
            yield from self._came(frame)

    def _came(self, frame: VideoFrame) -> Iterator[tuple[int, Image | BadFrame]]:
        seq = frame.pts
        if seq is None or seq not in self._waiting:
            return
        while (number := self._waiting.pop(0)) != seq:
            yield number, self._bad(number)
        if frame.is_corrupt:
            yield seq, self._bad(seq)
        else:
            yield seq, np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)

    def flush(self) -> Iterator[tuple[int, Image | BadFrame]]:
        """What the decoder still holds; at the end."""
        try:
            for frame in self._codec.decode(None):
                yield from self._came(frame)
        except av.error.FFmpegError:
            pass
        yield from ((seq, self._bad(seq)) for seq in self._waiting)
        self._waiting.clear()

    def _bad(self, seq: int) -> BadFrame:
        hint = "a video can be seen from its first key picture on"
        return BadFrame(f"{self._name}: picture {seq} can't be decoded", hint=hint)
