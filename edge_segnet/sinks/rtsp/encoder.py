"""Which H.264 encoder this machine really has, and the pipeline around it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Final

import gi

from edge_segnet.core.errors import OutputError, SettingsError

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402 - the version is chosen first

logger = logging.getLogger(__name__)
PROBE_S: Final = 5
"""For an encoder's first picture, before another one is tried."""
KEY_FRAMES: Final = 600
"""Frames at most between two key frames; ``Stream.push`` asks for one every two seconds."""


@dataclass(frozen=True)
class Encoder:
    """From BGR pictures to H.264; ``chain`` holds numbers only, ``{kbps}``, ``{bps}`` and ``{frames}``."""

    element: str
    chain: str

    def described(self, kbps: int) -> str:
        """The part of a pipeline."""
        return self.chain.format(kbps=kbps, bps=kbps * 1000, frames=KEY_FRAMES)


_I420: Final = "videoconvert ! video/x-raw,format=I420"
ENCODERS: Final = (
    Encoder(
        "nvv4l2h264enc",
        f"{_I420} ! nvvidconv ! video/x-raw(memory:NVMM),format=NV12 ! nvv4l2h264enc name=encoder bitrate={{bps}} "
        "control-rate=1 preset-level=1 maxperf-enable=true insert-sps-pps=true insert-vui=true "
        "iframeinterval={frames} idrinterval={frames}",
    ),
    # One thread: the other cores belong to the network.
    Encoder(
        "x264enc",
        f"{_I420} ! x264enc name=encoder bitrate={{kbps}} tune=zerolatency speed-preset=ultrafast threads=1 "
        "key-int-max={frames} ! video/x-h264,profile=constrained-baseline",
    ),
    Encoder(
        "openh264enc",
        f"{_I420} ! openh264enc name=encoder bitrate={{bps}} rate-control=bitrate complexity=low multi-thread=1 "
        "gop-size={frames} ! video/x-h264,profile=constrained-baseline",
    ),
)
"""In order of preference; the properties of the first are those of NVIDIA's Accelerated GStreamer guide."""
_INSTALL: Final = "apt install gstreamer1.0-plugins-ugly (x264enc) or gstreamer1.0-plugins-bad (openh264enc)"


def installed() -> list[Encoder]:
    """The encoders whose elements are there.

    Raises:
        SettingsError: none, or what every pipeline needs is missing.
    """
    Gst.init(None)
    for element, package in (("appsrc", "base"), ("videoconvert", "base"), ("rtph264pay", "good")):
        if Gst.ElementFactory.find(element) is None:
            what, hint = f"no GStreamer element {element}", f"apt install gstreamer1.0-plugins-{package}"
            raise SettingsError(what, hint=hint, key=("rtsp",))
    found = [encoder for encoder in ENCODERS if Gst.ElementFactory.find(encoder.element) is not None]
    if not found:
        names = ", ".join(encoder.element for encoder in ENCODERS)
        raise SettingsError(f"no H.264 encoder (GStreamer elements {names})", hint=_INSTALL, key=("rtsp",))
    return found


def first_working(encoders: list[Encoder], kbps: int) -> Encoder:
    """The first that encodes a few pictures. An element is no proof: the Orin Nano has the element of an encoder that
    its chip lacks.

    Raises:
        OutputError: none does.
    """
    problems = []
    for encoder in encoders:
        problem = _problem(encoder, kbps)
        if problem is None:
            return encoder
        problems.append(f"{encoder.element}: {problem}")
        logger.info("rtsp: %s", problems[-1])
    raise OutputError(f"no H.264 encoder works ({'; '.join(problems)})", hint=_INSTALL)


def _problem(encoder: Encoder, kbps: int) -> str | None:
    """Why an encoder does not encode; None: it does."""
    source = "videotestsrc num-buffers=3 ! video/x-raw,format=BGR,width=320,height=240,framerate=30/1"
    try:
        pipeline = Gst.parse_launch(f"{source} ! {encoder.described(kbps)} ! fakesink")
    except gi.repository.GLib.Error as error:
        return str(error.message)
    try:
        pipeline.set_state(Gst.State.PLAYING)
        kinds = Gst.MessageType.ERROR | Gst.MessageType.EOS
        return _said(pipeline.get_bus().timed_pop_filtered(PROBE_S * Gst.SECOND, kinds))
    finally:
        pipeline.set_state(Gst.State.NULL)


def _said(message: Any) -> str | None:
    if message is None:
        return f"no picture within {PROBE_S} s"
    if message.type == Gst.MessageType.EOS:
        return None
    return " ".join(message.parse_error()[0].message.split())
