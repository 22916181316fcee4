"""USB cameras through GStreamer, with a double of its element: the mode that is chosen is the mode that comes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_segnet.sources import gst

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


def came(kind: str, query: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.sources.gstreamer.usb", kind, str(DEVICE), query]
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


def test_what_it_can_not_do() -> None:
    said = came("raw", "?width=800&height=600")["error"]
    assert said.endswith("the camera can't do 800x600: it can do raw 1280x720 at 10, raw 640x480 at 30")
