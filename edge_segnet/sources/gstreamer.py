"""Cameras and streams through GStreamer: an appsink that holds one frame, the newest, at network size."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.errors import BadFrame, InputError, SourceLost
from edge_segnet.core.types import Frame
from edge_segnet.core.uris import SourceUri, quarter, without_credentials
from edge_segnet.sources import gst, gst_plan, usb
from edge_segnet.sources.drawn import Drawn, Picture, Place, anywhere, draw
from edge_segnet.sources.gst_damage import DamageWatch
from edge_segnet.sources.gst_usb import Kind, set_up_usb
from edge_segnet.sources.jpeg_pictures import JpegPictures
from edge_segnet.sources.live import FrameFormat, Terms
from edge_segnet.sources.reach import too_slow, why_unreachable

REFUSED: Final = "transport protocols"
"""Of GStreamer's words for a server that wants none of those that were offered; it has no code of its own."""
BUSY, BUSY_S, BUSY_TRIES = "(503)", 0.2, 5
"""Of its words for one that still ends the session before, which it refused; how long it is waited for."""
TIMEOUT: Final = "imeout"
"""Of its words for one that does not answer a request in time."""
BELIEVED_S: Final = 10.0
"""A timestamp that makes a frame older than this is taken for nonsense; the frame then counts from its arrival."""


@dataclass(frozen=True)
class Opening:
    """What shall be opened, and how. ``source`` is None for a raw pipeline."""

    source: SourceUri | None
    terms: Terms
    wish: FrameFormat
    place: Place = anywhere


class GStreamerSource:
    """A running pipeline; make one with ``open_uri`` or ``open_pipeline``.

    ``captured_ns`` comes from the frame's timestamp: for USB and CSI cameras when the driver had it, for RTSP when
    its first bytes came over the network (the time in the camera and on the wire is not known). ``original`` is
    not kept: scaling happens in the pipeline.
    """

    live = True

    def __init__(self, elements: list[Any], opening: Opening, kind: Kind) -> None:
        self._gst = gst.load()
        self._wish, self._source, self._place, self._kind = opening.wish, opening.source, opening.place, kind
        self._shown = "pipeline" if opening.source is None else opening.source.shown
        self._jpegs = JpegPictures(opening.terms)
        self._transport, self._connect_s = opening.terms.transport, opening.terms.connect_s
        self._seq = self._refused = 0
        self._stamp: tuple[int, int] | None = None
        self._pipeline = self._gst.Pipeline.new(None)
        # The system's clock is the monotonic one, so timestamps can be compared with time.monotonic_ns().
        self._pipeline.use_clock(self._gst.SystemClock.obtain())
        self._bus = self._pipeline.get_bus()
        self._watch = DamageWatch(self._pipeline, opening.terms)
        gst.chain(self._pipeline, [*elements, *map(gst.make, self._tail())])
        self._sink = self._pipeline.get_by_name("sink")
        self._first = self._pipeline.get_by_name("first") or self._sink
        self._watch.after_decoding(self._first.get_static_pad("sink"))

    def _tail(self) -> list[gst_plan.Step]:
        if self._kind == "jpeg":
            return [gst_plan.newest()]
        return gst_plan.tail(self._wish.size, self._wish.fit, self._wish.flip, nvidia=self._kind == "nvidia")

    def start(self) -> None:
        """Begin to play.

        Raises:
            InputError: the camera can't be started.
        """
        if self._pipeline.set_state(self._gst.State.PLAYING) != self._gst.StateChangeReturn.FAILURE:
            return
        try:
            self._raise_trouble()
            raise InputError(f"{self._shown}: GStreamer can't start it")
        finally:
            self.close()

    def read(self, timeout_s: float) -> Frame | None:
        """The newest frame, or None when none came in time.

        Raises:
            BadFrame: one could not be decoded.
            SourceLost: the stream broke or ended, in GStreamer's own words.
        """
        if self._watch.trouble:
            self._raise_trouble()
        sample = self._sink.try_pull_sample(max(0, int(timeout_s * 1e9)))
        if sample is None:
            self._raise_trouble()
            if self._sink.is_eos():
                raise self._ended()
            return None
        now_ns, now = time.monotonic_ns(), time.time()
        if (made := self._picture(sample)) is None:
            return None
        captured_ns = self._captured_ns(sample, now_ns)
        frame = Frame(
            image=made.image,
            original=None,
            seq=self._seq,
            captured_ns=captured_ns,
            captured_at=now - (now_ns - captured_ns) / 1e9,
            camera=self._wish.camera,
            scaled_from=made.source_size,
            whole=made.whole,
            conversions=1,
            copies=made.copies,
        )
        self._seq += 1
        return frame

    @property
    def damaged(self) -> int:
        """Pictures that did not come whole."""
        return self._watch.damaged + self._jpegs.damaged

    def resize(self, size: tuple[int, int]) -> None:
        """Frames come at ``size`` (width, height) from the next one on."""
        self._wish = wish = replace(self._wish, size=size)
        if self._kind == "jpeg":
            return
        caps = gst_plan.size_caps(size, wish.fit, wish.flip, nvidia=self._kind == "nvidia")
        if wish.fit == "crop" and self._kind == "plain":
            gst.set_value(self._first, "aspect-ratio", gst_plan.aspect(size, wish.flip))
        gst.set_value(self._pipeline.get_by_name("size"), "caps", caps)

    def close(self) -> None:
        """Stop the pipeline and let go of the device; may be called twice."""
        self._watch.closed = True
        self._bus.set_flushing(True)
        self._pipeline.set_state(self._gst.State.NULL)

    def _picture(self, sample: Any) -> Picture | None:
        """None for one that is not whole."""
        buffer = sample.get_buffer()
        if self._kind == "jpeg":
            try:
                return self._jpegs.picture(buffer.extract_dup(0, buffer.get_size()), self._wish, self._place)
            except SourceLost as error:
                raise SourceLost(f"{self._shown}: it sends {error.message}", hint=error.hint) from error
        image, copies = self._drawn(sample)
        size = self._source_size() or (image.shape[1], image.shape[0])
        return Picture(image, size, self._watch.whole(buffer.pts), copies)

    def _drawn(self, sample: Any) -> Drawn:
        """The pixels, out of GStreamer's memory: turned there, and mostly scaled."""
        from gi.repository import GstVideo

        buffer, structure = sample.get_buffer(), sample.get_caps().get_structure(0)
        width, height = structure.get_int("width")[1], structure.get_int("height")[1]
        channels = 3 if structure.get_string("format") == "BGR" else 4
        meta = GstVideo.buffer_get_video_meta(buffer)
        stride = meta.stride[0] if meta is not None else (width * channels + 3) // 4 * 4
        with gst.mapped(buffer) as (data, copies):
            if data.size < stride * (height - 1) + width * channels:
                raise BadFrame(f"{self._shown}: a frame of {data.size} bytes is no {width}x{height} picture")
            shape, strides = (height, width, channels), (stride, channels, 1)
            rows: NDArray[np.uint8] = np.lib.stride_tricks.as_strided(data, shape, strides, writeable=False)
            drawn = draw(rows, replace(self._wish, flip="none"), self._place)
        return Drawn(drawn.image, drawn.copies + copies)

    def _captured_ns(self, sample: Any, now_ns: int) -> int:
        """When the frame was captured, on the monotonic clock; the same timestamp gives the same time."""
        pts = sample.get_buffer().pts
        if pts == self._gst.CLOCK_TIME_NONE:
            return now_ns
        if self._stamp is not None and self._stamp[0] == pts:
            return self._stamp[1]
        running = sample.get_segment().to_running_time(self._gst.Format.TIME, pts)
        captured_ns = int(self._pipeline.get_base_time() + running)
        if running == self._gst.CLOCK_TIME_NONE or not now_ns - BELIEVED_S * 1e9 < captured_ns < now_ns:
            captured_ns = now_ns
        self._stamp = pts, captured_ns
        return captured_ns

    def _source_size(self) -> tuple[int, int] | None:
        """(width, height) before scaling, as it is seen after the flip."""
        caps = self._first.get_static_pad("sink").get_current_caps()
        if caps is None:
            return None
        structure = caps.get_structure(0)
        (has_width, width), (has_height, height) = structure.get_int("width"), structure.get_int("height")
        return quarter((width, height), self._wish.flip) if has_width and has_height else None

    def _raise_trouble(self) -> None:
        """Raise what the bus tells, if it tells of any."""
        if self._watch.trouble:
            raise SourceLost(f"{self._shown}: {self._watch.trouble}", hint="is it the camera that it should be?")
        kinds = self._gst.MessageType
        while message := self._bus.pop_filtered(kinds.ERROR | kinds.EOS | kinds.WARNING):
            if message.type == kinds.EOS:
                raise self._ended()
            words = without_credentials(gst.explain(message))
            if message.type == kinds.ERROR and self._by_other_means(words):
                return
            if message.type == kinds.ERROR:
                raise SourceLost(f"{self._shown}: {self._unreachable(words) or words}")
            if message.parse_warning()[0].matches(self._gst.StreamError.quark(), self._gst.StreamError.DECODE):
                raise BadFrame(f"{self._shown}: {words}")

    def _by_other_means(self, words: str) -> bool:
        """Where a server refuses TCP, go on by UDP.

        Raises:
            SourceLost: the settings allow one way only.
        """
        if self._refused and BUSY in words and self._refused <= BUSY_TRIES:
            self._refused += 1
            time.sleep(BUSY_S)
            self._connect_again()
            return True
        if REFUSED not in words or self._source is None:
            return False
        if self._transport != "auto":
            other = "udp" if self._transport == "tcp" else "tcp"
            hint = f"set transport: {other}, or leave it out"
            raise SourceLost(f"{self._shown}: it offers no {self._transport.upper()}", hint=hint)
        self._transport, self._refused = "udp", 1
        self._connect_again()
        return True

    def _connect_again(self) -> None:
        self._pipeline.set_state(self._gst.State.NULL)
        gst.set_value(self._pipeline.get_by_name("camera"), "protocols", self._transport)
        self._pipeline.set_state(self._gst.State.PLAYING)

    def _ended(self) -> SourceLost:
        return SourceLost(f"{self._shown}: the stream ended")

    def _unreachable(self, words: str) -> str:
        source = self._source
        if source is None or source.kind != "rtsp":
            return ""
        return why_unreachable(source) or (too_slow(self._connect_s) if TIMEOUT in words else "")


def usable(source: SourceUri, terms: Terms) -> bool:
    """Does this machine have all elements for a source?"""
    return gst_plan.first_missing(gst_plan.head(source, terms), gst.has) is None


def open_uri(opening: Opening) -> GStreamerSource:
    """A CSI or USB camera, or an RTSP stream. Streams connect in the background: trouble comes out of ``read``.

    Raises:
        InputError: an element, the device or a mode is missing.
    """
    source = opening.source
    assert source is not None
    if source.kind == "v4l2":
        usb.check_device(source)
    elements = [gst.make(step) for step in gst_plan.head(source, opening.terms)]
    kind: Kind = "plain"
    if source.kind == "v4l2":
        kind = set_up_usb(elements, source)
    elif source.kind == "csi" or gst.has("nvvidconv"):
        # Its decoder leaves pictures in memory that only its own converter reads.
        kind = "nvidia"
    opened = GStreamerSource(elements, opening, kind)
    opened.start()
    return opened


def open_pipeline(description: str, opening: Opening) -> GStreamerSource:
    """The config file's raw pipeline.

    Raises:
        UsageError: it can't be parsed, or does not end in video.
        InputError: it can't be started.
    """
    made = gst.parse_bin(description)
    caps = made.get_static_pad("src").query_caps(None).to_string()
    opened = GStreamerSource([made], opening, "nvidia" if "memory:NVMM" in caps else "plain")
    opened.start()
    return opened
