"""USB cameras through GStreamer, with a double of its element: the mode that is chosen is the mode that comes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_segnet.sources import gst
from edge_segnet.sources.gst_damage import DamageWatch
from edge_segnet.sources.live import Terms
from tests.support.mjpeg_camera import jpeg

if not (gst.has("v4l2src") and gst.has("jpegdec")):
    pytest.skip("needs GStreamer with v4l2src", allow_module_level=True)

DEVICE = Path("/dev/video9998")
"""The program looks for the device first."""


@pytest.fixture(autouse=True)
def device() -> Iterator[None]:
    try:
        DEVICE.symlink_to("/dev/null")
    except OSError as error:
        pytest.skip(f"needs to make {DEVICE}: {error.strerror}")
    yield
    DEVICE.unlink()


def came(kind: str, query: str, *board: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.sources.gstreamer.usb", kind, str(DEVICE), query, *board]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("kind", "query", "size"),
    [
        ("raw", "", [640, 480]),
        ("raw", "?width=1280&height=720&fps=10", [1280, 720]),
        ("mjpeg", "?format=mjpeg", [1280, 720]),
    ],
)
def test_what_is_chosen_is_what_comes(kind: str, query: str, size: list[int]) -> None:
    found = came(kind, query)
    assert found["size"] == size
    blue, green, red = found["colour"]
    assert blue < 40 and green < 40 and red > 200
    assert found["conversions"] == 1 and found["copies"] <= 1


@pytest.mark.skipif(gst.has("nvvidconv"), reason="needs no real nvvidconv")
def test_a_jetsons_jpeg_engine() -> None:
    found = came("mjpeg", "?format=mjpeg&decoder=nvidia", "jetson")
    blue, green, red = found["colour"]
    assert found["size"] == [1280, 720] and blue < 40 and green < 40 and red > 200
    assert (found["conversions"], found["copies"]) == (1, 1)


@pytest.mark.skipif(gst.plugin_of("nvjpegdec") == "nvjpeg", reason="this is a Jetson")
def test_a_jpeg_engine_that_is_not_here() -> None:
    said = came("mjpeg", "?format=mjpeg&decoder=nvidia")["error"]
    assert "decoder=nvidia is for a Jetson" in said or "no element nvjpegdec: install nvidia-l4t-gstreamer" in said


class Info:
    """A pad's probe."""

    def __init__(self, data: bytes) -> None:
        self._buffer = gst.load().Buffer.new_wrapped(data)

    def get_buffer(self) -> Any:
        return self._buffer


def test_half_a_jpeg_does_not_get_into_the_engine() -> None:
    pipeline, data = gst.load().Pipeline.new(None), jpeg(np.full((48, 64, 3), 90, np.uint8))
    watch, answer = DamageWatch(pipeline, Terms()), gst.load().PadProbeReturn
    assert watch._jpeg(None, Info(data)) == answer.OK and watch.damaged == 0
    assert watch._jpeg(None, Info(data[: len(data) // 2])) == answer.DROP and watch.damaged == 1
    strict = DamageWatch(pipeline, Terms(max_pixels=1000))
    assert strict._jpeg(None, Info(data)) == answer.DROP and strict.trouble == "it sends pictures of 64x48"


def test_what_it_can_not_do() -> None:
    said = came("raw", "?width=800&height=600")["error"]
    assert said.endswith("the camera can't do 800x600: it can do raw 1280x720 at 10, raw 640x480 at 30")
