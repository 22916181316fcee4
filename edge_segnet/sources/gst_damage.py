"""Looks into a pipeline for what is lost or can't be decoded, and keeps such pictures away from what comes after.

Python runs once for each packet and each picture here, on GStreamer's own threads; no pixels are touched.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from typing import Any, Final

from edge_segnet.pictures import jpeg
from edge_segnet.sources import gst, units
from edge_segnet.sources.continuity import Continuity
from edge_segnet.sources.gst_pressure import Pressure
from edge_segnet.sources.live import Terms
from edge_segnet.sources.units import Unit

FRAME_BYTES: Final = 16 << 20
"""No camera needs more for one compressed picture; who sends more fills the memory."""
REQUESTS: Final = 24
"""To an RTSP server before its first packet: six would do, and as many again for each redirect."""
ASK_S: Final = 1.0
"""Between two requests for a key frame."""
Parse = Callable[[bytes, int], Unit]
PARSERS: Final[dict[str, Parse]] = {
    "video/x-h264": units.h264,
    "video/x-h265": units.h265,
    "video/mpeg": units.mpeg4,
}
_PACKET: Final = struct.Struct(">BBHI")
"""RFC 3550, 5.1: flags, marker and payload type, sequence number, timestamp."""


class DamageWatch:
    """Of one pipeline. Damaged pictures don't come out, or, with ``on_damage: flag``, ``whole`` tells them apart.
    ``trouble``: why the pipeline must be stopped, if it must. ``closed``: it is being stopped, so nothing waits here.
    """

    def __init__(self, pipeline: Any, terms: Terms) -> None:
        self._gst = gst.load()
        self.continuity = Continuity()
        self.trouble = ""
        self.closed = False
        self._drop, self._max_pixels = terms.on_damage == "drop", terms.max_pixels
        self._parse: Parse | None = None
        self._length_size = 0
        self._bytes = self._jpegs = 0
        self._asked_server = self._packets_came = 0
        self._asked = 0.0
        self._requests = 0
        pipeline.connect("deep-element-added", self._added)
        bus = pipeline.get_bus()
        bus.enable_sync_message_emission()
        bus.connect("sync-message::warning", self._heard)

    @property
    def damaged(self) -> int:
        """Pictures so far that were not whole."""
        return self.continuity.damaged + self._jpegs

    def whole(self, pts: int) -> bool:
        return self.continuity.whole(pts)

    def after_decoding(self, pad: Any) -> None:
        """Decoded pictures come through this pad."""
        pad.add_probe(self._gst.PadProbeType.BUFFER, self._decoded)

    def _added(self, _: Any, __: Any, element: Any) -> None:
        factory = element.get_factory()
        kind = factory.get_metadata("klass") if factory else ""
        probes = self._gst.PadProbeType
        if "Depayloader" in kind:
            sink, source = element.get_static_pad("sink"), element.get_static_pad("src")
            sink.add_probe(probes.BUFFER | probes.BUFFER_LIST, self._packets)
            source.add_probe(probes.EVENT_DOWNSTREAM, self._formatted)
            source.add_probe(probes.BUFFER, self._picture, sink)
        elif factory and factory.get_name() == "rtpjitterbuffer":
            Pressure(element, lambda: self.trouble or self.closed)
        elif factory and factory.get_name() == "rtspsrc":
            element.connect("before-send", self._requested)
        elif factory and factory.get_name() == "nvjpegdec":
            element.get_static_pad("sink").add_probe(probes.BUFFER, self._jpeg)
        elif "Decoder" in kind and (sink := element.get_static_pad("sink")) is not None:
            sink.add_probe(probes.EVENT_DOWNSTREAM, self._formatted)

    def _requested(self, *_: Any) -> bool:
        """A request to the server: one that sends us from one address to the next makes us send them without end."""
        self._asked_server += 1
        if self._asked_server > REQUESTS and self._packets_came == 0:
            self._stop("no pictures, and sends us from one address to the next")
        return not self.trouble

    def _heard(self, _: Any, message: Any) -> None:
        """A decoder's warning, on its own thread, before its next picture."""
        error, _ = message.parse_warning()
        if error.matches(self._gst.StreamError.quark(), self._gst.StreamError.DECODE):
            self.continuity.lose()

    def _packets(self, _: Any, info: Any) -> Any:
        found = info.get_buffer_list() if info.type & self._gst.PadProbeType.BUFFER_LIST else None
        for buffer in [info.get_buffer()] if found is None else map(found.get, range(found.length())):
            head = buffer.extract_dup(0, _PACKET.size)
            self._bytes += buffer.get_size()
            self._packets_came += 1
            if len(head) == _PACKET.size:
                _, second, seq, _ = _PACKET.unpack(head)
                self.continuity.packet(seq, bool(second & 0x80), buffer.pts)
        if self._bytes > FRAME_BYTES:
            self._stop(f"a picture of more than {FRAME_BYTES >> 20} MB")
            return self._gst.PadProbeReturn.DROP
        return self._gst.PadProbeReturn.OK

    def _picture(self, _: Any, info: Any, sink: Any) -> Any:
        buffer, watch = info.get_buffer(), self.continuity
        self._bytes = 0
        good = watch.unit(self._unit(buffer), buffer.pts)
        if not good and not watch.recovering:
            self._ask(sink)
            if self._drop or not watch.joined:
                return self._gst.PadProbeReturn.DROP
        return self._gst.PadProbeReturn.OK

    def _jpeg(self, _: Any, info: Any) -> Any:
        """Hardware makes something of half a JPEG, too, and says nothing: what is cut off does not get there."""
        buffer = info.get_buffer()
        seen = jpeg.examine(buffer.extract_dup(0, buffer.get_size()))
        if seen.size[0] * seen.size[1] > self._max_pixels:
            self._stop("pictures of {}x{}".format(*seen.size))
        if seen.fault is not None or self.trouble:
            self._jpegs += 1
            return self._gst.PadProbeReturn.DROP
        return self._gst.PadProbeReturn.OK

    def _unit(self, buffer: Any) -> Unit:
        if self._parse is None:
            return Unit(not buffer.has_flags(self._gst.BufferFlags.DELTA_UNIT), starts=False)
        return self._parse(buffer.extract_dup(0, buffer.get_size()), self._length_size)

    def _ask(self, sink: Any) -> None:
        """For a key frame, by RTCP; cameras that don't offer that ignore it."""
        now = time.monotonic()
        if now - self._asked < ASK_S:
            return
        from gi.repository import GstVideo

        self._asked, self._requests = now, self._requests + 1
        event = GstVideo.video_event_new_upstream_force_key_unit(self._gst.CLOCK_TIME_NONE, True, self._requests)
        sink.push_event(event)

    def _formatted(self, pad: Any, info: Any) -> Any:
        event = info.get_event()
        if event.type == self._gst.EventType.CAPS:
            structure = event.parse_caps().get_structure(0)
            (_, width), (_, height) = structure.get_int("width"), structure.get_int("height")
            if width * height > self._max_pixels:
                self._stop(f"pictures of {width}x{height}")
                return self._gst.PadProbeReturn.DROP
            if pad.get_direction() == self._gst.PadDirection.SRC:
                self._understand(structure)
        return self._gst.PadProbeReturn.OK

    def _understand(self, structure: Any) -> None:
        name = structure.get_name()
        self._parse = (lambda *_: Unit(key=True)) if name == "image/jpeg" else PARSERS.get(name)
        self._length_size = 0
        if structure.get_string("stream-format") in ("avc", "avc3", "hvc1", "hev1"):
            data = structure.get_value("codec_data")
            at = 4 if name == "video/x-h264" else 21
            head = data.extract_dup(at, 1) if data is not None else b""
            self._length_size = (head[0] & 3) + 1 if head else 4

    def _stop(self, what: str) -> None:
        self.trouble = self.trouble or f"it sends {what}"

    def _decoded(self, _: Any, info: Any) -> Any:
        buffer, watch = info.get_buffer(), self.continuity
        if buffer.has_flags(self._gst.BufferFlags.CORRUPTED):
            watch.corrupt(buffer.pts)
        bad = not watch.whole(buffer.pts)
        return self._gst.PadProbeReturn.DROP if bad and self._drop else self._gst.PadProbeReturn.OK
