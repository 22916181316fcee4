"""A double of GStreamer's USB camera element. Only for a process of its own: it takes the real one's place.

python -m tests.sources.gstreamer.usb KIND DEVICE [QUERY]     KIND: raw or mjpeg; prints what came, as JSON
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, ClassVar

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GObject, Gst  # noqa: E402

from edge_segnet.core.errors import InputError  # noqa: E402
from edge_segnet.sources import gst  # noqa: E402
from edge_segnet.sources.child_camera import open_here  # noqa: E402
from edge_segnet.sources.live import FrameFormat, Terms  # noqa: E402

Gst.init(None)
RAW = "video/x-raw,format=YUY2,width=640,height=480,framerate={30/1,15/1}"
RAW += ";video/x-raw,format=YUY2,width=1280,height=720,framerate=10/1"
JPEG = "image/jpeg,width=1280,height=720,framerate=30/1"
LAUNCH = {
    "raw": f'videotestsrc is-live=true pattern=red ! capsfilter caps="{RAW}"',
    "mjpeg": f"videotestsrc is-live=true pattern=red ! video/x-raw,format=I420 ! jpegenc ! capsfilter caps={JPEG}",
}


class Usb(Gst.Bin):  # type: ignore[misc]  # gi has no types
    """v4l2src."""

    __gstmetadata__ = ("USB camera", "Source", "double", "tests")
    __gsttemplates__ = (Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, Gst.Caps.new_any()),)
    __gproperties__: ClassVar[dict[str, Any]] = {
        "device": (str, "device", "device", "", GObject.ParamFlags.READWRITE),
    }

    def __init__(self) -> None:
        super().__init__()
        inner = Gst.parse_bin_from_description(LAUNCH[sys.argv[1]], True)
        self.add(inner)
        self.add_pad(Gst.GhostPad.new("src", inner.get_static_pad("src")))

    def do_get_property(self, _: Any) -> str:
        return ""

    def do_set_property(self, _: Any, value: str) -> None:
        assert value == sys.argv[2]


class Engine(Gst.Bin):  # type: ignore[misc]  # gi has no types
    """nvjpegdec."""

    __gstmetadata__ = ("JPEG engine", "Codec/Decoder/Image", "double", "tests")
    __gsttemplates__ = (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, Gst.Caps.from_string("image/jpeg")),
        Gst.PadTemplate.new(
            "src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, Gst.Caps.from_string("video/x-raw,format=I420")
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        inner = Gst.parse_bin_from_description("jpegdec ! videoconvert", True)
        self.add(inner)
        for name in ("sink", "src"):
            self.add_pad(Gst.GhostPad.new(name, inner.get_static_pad(name)))


def jetson() -> None:
    """This process has a Jetson's elements."""
    from tests.sources.gstreamer.jetson import Converter

    assert Gst.Element.register(None, "nvjpegdec", Gst.Rank.NONE, Engine)
    assert Gst.Element.register(None, "nvvidconv", Gst.Rank.NONE, Converter)
    gst.plugin_of = lambda factory: {"nvjpegdec": "nvjpeg"}[factory]


def main(device: str, query: str) -> None:
    """Open it as the service does."""
    if "jetson" in sys.argv[4:]:
        jetson()
    assert Gst.Element.register(None, "v4l2src", Gst.Rank.NONE, Usb)
    try:
        order = {"source": f"v4l2://{device}{query}", "pipeline": None, "gstreamer": True, "device": device}
        source = open_here(order, Terms(), FrameFormat((64, 48), "stretch", "none", "front"), lambda _: None)
    except InputError as error:
        print(json.dumps({"error": str(error)}))  # noqa: T201
        return
    deadline = time.monotonic() + 20.0
    while (frame := source.read(0.5)) is None:
        assert time.monotonic() < deadline
    found = {"size": frame.source_size, "colour": frame.image[24, 32].tolist()}
    print(json.dumps(found | {"conversions": frame.conversions, "copies": frame.copies}))  # noqa: T201
    source.close()


if __name__ == "__main__":
    main(sys.argv[2], sys.argv[3])
