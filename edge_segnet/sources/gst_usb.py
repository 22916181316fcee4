"""A USB camera through GStreamer: the mode that it is asked for, and who decodes its JPEGs."""

from __future__ import annotations

from typing import Any, Final, Literal

from edge_segnet.core.errors import InputError
from edge_segnet.core.uris import SourceUri
from edge_segnet.sources import gst, gst_plan

JETSONS: Final = "nvjpeg"
"""The plug-in of a Jetson's JPEG elements (gst-inspect-1.0 nvjpeg)."""
Kind = Literal["plain", "nvidia", "jpeg"]
"""What comes out of the elements: raw video, raw video in NVIDIA's memory, or JPEGs."""


def set_up_usb(elements: list[Any], source: SourceUri) -> Kind:
    """Choose a mode; add a Jetson's JPEG engine where the address asks for it.

    Raises:
        InputError: the camera can't be opened, or not do that; this is no Jetson.
    """
    kind = _choose_mode(elements, source)
    if kind == "jpeg" and source.decoder == "nvidia":
        elements.append(_jpeg_engine(source))
        return "nvidia"
    return kind


def _jpeg_engine(source: SourceUri) -> Any:
    """GStreamer's plug-in nvcodec has an element of the same name, for graphics cards.

    Raises:
        InputError: this is no Jetson.
    """
    step = gst_plan.jpeg_decoder()
    engine = gst.make(step)
    if gst.plugin_of(step.factory) != JETSONS or not gst.has("nvvidconv"):
        raise InputError(f"{source.shown}: decoder=nvidia is for a Jetson", hint="leave it out: the CPU decodes")
    return engine


def _choose_mode(elements: list[Any], source: SourceUri) -> Kind:
    """Ask a USB camera what it can do, and choose."""
    states = gst.load().State
    camera, mode_filter = elements
    try:
        if camera.set_state(states.READY) == gst.load().StateChangeReturn.FAILURE:
            raise InputError(
                f"{source.shown} can't be opened", hint="does another program use it? see: fuser /dev/video*"
            )
        mode = gst_plan.choose_mode(camera.get_static_pad("src").query_caps(None).to_string(), source)
    finally:
        camera.set_state(states.NULL)
    gst.set_value(mode_filter, "caps", mode.caps)
    return "jpeg" if mode.is_jpeg else "plain"
