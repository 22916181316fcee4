"""The way that frames take on a Jetson, with a double of its converter: turned, scaled and unpacked from BGRx."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from edge_segnet.sources import gst
from tests.sources.gstreamer.rtsp_camera import Picture, RtspCamera

if not gst.has("rtspsrc") or gst.has("nvvidconv"):
    pytest.skip("needs GStreamer, and no real nvvidconv", allow_module_level=True)

GREY, BLUE = (234, 234, 234), (238, 14, 15)


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspCamera]:
    """SMPTE's bars: grey at the top left, blue at the top right."""
    with RtspCamera(Picture(pattern="smpte", codec="jpeg")) as bars:
        yield bars


@pytest.mark.parametrize(
    ("flip", "fit", "grey", "blue"),
    [
        ("none", "stretch", 0, 1),
        ("rotate-90", "stretch", 1, 3),
        ("rotate-270", "stretch", 2, 0),
        ("vertical", "crop", 2, 3),
        ("horizontal", "stretch", 1, 0),
    ],
)
def test_frames_through_the_converter(camera: RtspCamera, flip: str, fit: str, grey: int, blue: int) -> None:
    command = [sys.executable, "-m", "tests.sources.gstreamer.jetson", camera.url, flip, fit]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["conversions"] == 1 and found["copies"] == 1
    assert found["shape"] == [48, 64, 3] and found["resized"] == [40, 32, 3]
    assert found["source_size"] == ([240, 320] if flip.startswith("rotate") else [320, 240])
    for corner, colour in ((grey, GREY), (blue, BLUE)):
        assert np.abs(np.subtract(found["corners"][corner], colour)).max() < 40, found["corners"]
