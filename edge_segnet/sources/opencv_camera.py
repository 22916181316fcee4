"""USB and RTSP cameras through OpenCV, where there is no GStreamer. Its calls may hang for ever, and there is no asking
it to stop: only for a process that can be ended.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import ssl
import time
from dataclasses import replace
from typing import Final
from urllib.parse import quote

import numpy as np

from edge_segnet.core.errors import InputError, SourceLost
from edge_segnet.core.types import Frame, Image
from edge_segnet.core.uris import SourceUri, quarter
from edge_segnet.sources.drawn import Picture, Place, anywhere, draw
from edge_segnet.sources.jpeg_pictures import JpegPictures
from edge_segnet.sources.live import FrameFormat, Terms
from edge_segnet.sources.opencv import Capture, frame_type, open_stream, stamp_ns
from edge_segnet.sources.reach import too_slow, why_unreachable
from edge_segnet.sources.usb import gives_jpeg, open_usb

READ_MS: Final = 5000
HEARD: Final = 1 << 16
"""Bytes of what libraries print: the last lines are wanted, a flood is not."""
_UNBUFFERED: Final = 2
"""``_IONBF`` of stdio.h."""
PLAUSIBLE_NS: Final = 2_000_000_000
"""A driver's time stamp that is older than this, or in the future, is of another clock."""
INTRA: Final = ord("I")
WAITED_NS: Final = 4_000_000
"""A picture that takes longer was waited for; one from a buffer comes at once."""
HELD_BACK: Final = 4
"""Pictures that a decoder may still hold when a loss is told: what comes out after them is of later packets."""
LOSS: Final = re.compile(
    r"missed \d+ packets|error while decoding|concealing|missing (?:picture|reference)|Frame num gap|non-existing|"
    r"co located POCs|corrupt|mmco: unref|Could not find ref|number of reference frames|Missing reference"
)
"""How FFmpeg says that something was lost."""
FFMPEG: Final = "fpsprobesize;0|flags;low_delay|threads;1|max_delay;{delay_us}|rtsp_transport;{transport}"
"""No second of probing for the frame rate before the first frame; one thread: what is heard is about this frame."""


class Murmur:
    """What FFmpeg prints, of the whole process from here on: OpenCV sends it to standard output, through C's buffer."""

    def __init__(self) -> None:
        libc = ctypes.CDLL(None)
        libc.setvbuf(ctypes.c_void_p.in_dll(libc, "stdout"), None, _UNBUFFERED, 0)
        self._sink = os.memfd_create("edge-segnet-murmur", os.MFD_CLOEXEC)
        fcntl.fcntl(self._sink, fcntl.F_SETFL, os.O_APPEND)
        for descriptor in (1, 2):
            os.dup2(self._sink, descriptor)

    def take(self) -> str:
        """All since the last call."""
        if (size := os.fstat(self._sink).st_size) == 0:
            return ""
        text = os.pread(self._sink, min(size, HEARD), 0).decode(errors="replace")
        os.ftruncate(self._sink, 0)
        return text


class OpenCvCamera:
    """Reads as fast as the camera gives; in one thread, so ``read`` may take longer than it should."""

    live = True

    def __init__(
        self,
        source: SourceUri,
        terms: Terms,
        wish: FrameFormat,
        murmur: Murmur | None = None,
        place: Place = anywhere,
    ) -> None:
        """Open it. ``murmur``: how FFmpeg's warnings are heard; without it nothing is known of lost packets.

        Raises:
            InputError: it is not there, or can't do what was asked.
        """
        self._source, self._wish, self._terms, self._murmur = source, wish, terms, murmur
        self._jpegs, self._place = JpegPictures(terms), place
        self._damaged = self._seq = 0
        self._broken = source.kind == "rtsp"
        self._joined = False
        self._live = False
        """What FFmpeg has taken while it opened is over: whether that was whole it said to nobody."""
        self._quiet = self._losses = 0
        self._capture = open_usb(source) if source.kind == "v4l2" else _open_stream(source, terms, murmur)
        self._compressed = source.kind == "v4l2" and gives_jpeg(self._capture)

    @property
    def damaged(self) -> int:
        """Pictures that did not come whole."""
        return self._damaged + self._jpegs.damaged

    def read(self, timeout_s: float) -> Frame | None:  # noqa: ARG002 - OpenCV waits as long as it likes
        """The next frame, None for one that is not whole.

        Raises:
            SourceLost: no more frames come.
        """
        began_ns = time.monotonic_ns()
        grabbed = self._capture.grab()
        captured_ns = self._captured_ns()
        self._live |= time.monotonic_ns() - began_ns > WAITED_NS
        good, picture = self._capture.retrieve() if grabbed else (False, None)
        lost = self._murmur is not None and LOSS.search(self._murmur.take()) is not None
        if not good or picture is None:
            raise SourceLost(f"{self._source.shown}: no more frames", hint="is it still there?")
        image = np.asarray(picture, np.uint8)
        if self._compressed:
            made = self._jpegs.picture(image.tobytes(), self._wish, self._place)
            return None if made is None else self._frame(made, captured_ns)
        self._check(image)
        whole = self._is_whole(lost)
        if not whole and (self._terms.on_damage == "drop" or not self._joined):
            return None
        size, drawn = (image.shape[1], image.shape[0]), draw(image, self._wish, self._place)
        return self._frame(Picture(drawn.image, quarter(size, self._wish.flip), whole, drawn.copies), captured_ns)

    def _is_whole(self, lost: bool) -> bool:
        """What is lost damages all until a picture that needs no other."""
        if self._source.kind != "rtsp":
            return True
        # What is heard is about pictures that come a few later: a decoder holds some back to bring them in order.
        self._quiet = 0 if lost else self._quiet + 1
        self._broken |= lost
        if self._broken and self._live and self._quiet > HELD_BACK and frame_type(self._capture) == INTRA:
            self._broken, self._joined = False, True
        self._losses += lost
        self._damaged += self._broken and self._losses > 0
        return not self._broken

    def _check(self, image: Image) -> None:
        if image.shape[0] * image.shape[1] > self._terms.max_pixels:
            raise SourceLost(f"{self._source.shown}: it sends pictures of {image.shape[1]}x{image.shape[0]}")

    def _frame(self, made: Picture, captured_ns: int) -> Frame:
        self._seq += 1
        return Frame(
            image=made.image,
            original=None,
            seq=self._seq - 1,
            captured_ns=captured_ns,
            captured_at=time.time() - (time.monotonic_ns() - captured_ns) / 1e9,
            camera=self._wish.camera,
            scaled_from=made.source_size,
            whole=made.whole,
            conversions=1,
            copies=made.copies,
        )

    def _captured_ns(self) -> int:
        """On the monotonic clock: by the driver's own stamp, or now."""
        now_ns = time.monotonic_ns()
        if self._source.kind != "v4l2":
            return now_ns
        by_driver_ns = stamp_ns(self._capture)
        return by_driver_ns if 0 <= now_ns - by_driver_ns < PLAUSIBLE_NS else now_ns

    def resize(self, size: tuple[int, int]) -> None:
        """Frames come at ``size`` (width, height) from the next one on."""
        self._wish = replace(self._wish, size=size)

    def close(self) -> None:
        """Let go of the camera."""
        self._capture.release()


def _open_stream(source: SourceUri, terms: Terms, murmur: Murmur | None) -> Capture:
    connect_ms = int(1e3 * terms.connect_s)
    ways = ("tcp", "udp") if terms.transport == "auto" else (terms.transport,)
    for transport in ways:
        began = time.monotonic()
        os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = _options(source, terms, transport)
        capture = open_stream(_address(source), connect_ms, READ_MS)
        said = murmur.take() if murmur is not None else ""
        refused = "461" in said or "Unsupported Transport" in said or "Unsupported transport" in said
        if capture.isOpened():
            return capture
        capture.release()
        if not refused:
            break
    # OpenCV does not tell.
    slow = time.monotonic() - began >= terms.connect_s
    why = why_unreachable(source) or (too_slow(terms.connect_s) if slow else "it answers, but gives no video")
    if refused and terms.transport != "auto":
        why = f"it does not offer {terms.transport.upper()}: leave transport out, or give the other"
    raise InputError(f"{source.shown}: {why}", hint="are address, user and password right, and is it on?")


def _options(source: SourceUri, terms: Terms, transport: str) -> str:
    options = FFMPEG.format(delay_us=1000 * terms.latency_ms, transport=transport)
    if source.url.startswith("rtsps:"):
        # Left to itself, FFmpeg accepts any certificate.
        options += f"|tls_verify;1|ca_file;{ssl.get_default_verify_paths().cafile or ''}"
    return options


def _address(source: SourceUri) -> str:
    if source.user is None:
        return source.url
    credentials = quote(source.user, safe="") + (f":{quote(source.password, safe='')}" if source.password else "")
    scheme, _, rest = source.url.partition("://")
    return f"{scheme}://{credentials}@{rest}"
