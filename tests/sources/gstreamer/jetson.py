"""A double of the converter of a Jetson. Only for a process of its own: once registered, it stays.

python -m tests.sources.gstreamer.jetson URL FLIP FIT     opens URL as a Jetson would; prints what came, as JSON
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, ClassVar

import gi

gi.require_version("Gst", "1.0")
from gi.repository import GObject, Gst  # noqa: E402

from edge_segnet.core.types import Fit, Frame  # noqa: E402
from edge_segnet.core.uris import FLIPS  # noqa: E402
from edge_segnet.sources.child_camera import open_here  # noqa: E402
from edge_segnet.sources.live import FrameFormat, LiveSource, Terms  # noqa: E402

Gst.init(None)
RAW = Gst.Caps.from_string("video/x-raw")
BGRX = Gst.Caps.from_string("video/x-raw,format=BGRx")
METHODS = {1: "counterclockwise", 2: "rotate-180", 3: "clockwise", 4: "horizontal-flip", 6: "vertical-flip"}
"""nvvidconv's flip-method as videoflip names it (NVIDIA's GStreamer guide)."""
SIZE = (64, 48)


class Converter(Gst.Bin):  # type: ignore[misc]  # gi has no types
    """nvvidconv: turns, scales and converts to BGRx in one element."""

    __gstmetadata__ = ("Converter", "Filter", "double", "tests")
    __gsttemplates__ = (
        Gst.PadTemplate.new("sink", Gst.PadDirection.SINK, Gst.PadPresence.ALWAYS, RAW),
        Gst.PadTemplate.new("src", Gst.PadDirection.SRC, Gst.PadPresence.ALWAYS, BGRX),
    )
    __gproperties__: ClassVar[dict[str, Any]] = {
        "flip-method": (int, "flip", "flip", 0, 7, 0, GObject.ParamFlags.READWRITE),
        "interpolation-method": (int, "interpolation", "interpolation", 0, 6, 0, GObject.ParamFlags.READWRITE),
    }

    def __init__(self) -> None:
        super().__init__()
        text = "videoflip name=turn ! videoscale add-borders=false ! videoconvert"
        inner = Gst.parse_bin_from_description(text, True)
        self._turn = inner.get_by_name("turn")
        self.add(inner)
        for name in ("sink", "src"):
            self.add_pad(Gst.GhostPad.new(name, inner.get_static_pad(name)))

    def do_get_property(self, _: Any) -> int:
        return 0

    def do_set_property(self, pspec: Any, value: int) -> None:
        if pspec.name == "flip-method":
            Gst.util_set_object_arg(self._turn, "method", METHODS.get(value, "none"))


def _first(source: LiveSource) -> Frame:
    deadline = time.monotonic() + 20.0
    while (frame := source.read(0.5)) is None:
        assert time.monotonic() < deadline
    return frame


def main(url: str, flip: str, fit: Fit) -> None:
    """Open the camera as the service does; print corner colours and sizes."""
    assert Gst.Element.register(None, "nvvidconv", Gst.Rank.NONE, Converter)
    order = {"source": url, "pipeline": None, "gstreamer": True, "device": ""}
    source = open_here(order, Terms(), FrameFormat(SIZE, fit, FLIPS[flip], "front"), lambda _: None)
    frame = _first(source)
    source.resize((32, 40))
    corners = [frame.image[y, x].tolist() for y, x in ((4, 4), (4, -5), (-5, 4), (-5, -5))]
    found: dict[str, Any] = {"corners": corners, "source_size": frame.source_size, "shape": frame.image.shape}
    found |= {"conversions": frame.conversions, "copies": frame.copies}
    print(json.dumps(found | {"resized": _first(source).image.shape}))  # noqa: T201
    source.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3])  # type: ignore[arg-type]
