"""Which library reads a camera: what is asked of a machine without GStreamer."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import open_camera, prepare
from edge_segnet.sources.nursery import Nursery
from edge_segnet.street.atlas import Atlas

WITHOUT_GSTREAMER = """
import json, sys
sys.modules["gi"] = None  # importing it fails from here on
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.core.errors import EdgeSegnetError
from edge_segnet.sources import open_camera
from edge_segnet.sources.child_camera import open_here
from edge_segnet.sources.live import FrameFormat, Terms
found = []
for key, value in json.loads(sys.argv[1]):
    device = value.removeprefix("v4l2://")
    order = {"source": None, "pipeline": None, "gstreamer": True, "device": device} | {key: value}
    try:
        if value.startswith(("csi", "synthetic")):
            source = open_camera(CameraConfig.model_validate({key: value}), "front", (64, 48))
        else:
            source = open_here(order, Terms(), FrameFormat((64, 48), "stretch", "none", "front"), lambda _: None)
        source.close()
        found.append(type(source).__name__)
    except EdgeSegnetError as error:
        found.append(f"{error.exit_code} {error}")
print(json.dumps(found))
"""


def test_without_gstreamer_opencv_reads_what_it_can() -> None:
    asked = [
        ("source", "rtsp://127.0.0.1:9/x"),
        ("source", "http://127.0.0.1:9/x"),
        ("source", "v4l2:///dev/video63"),
        ("source", "synthetic://drive"),
        ("source", "csi://0"),
        ("pipeline", "videotestsrc"),
    ]
    command = [sys.executable, "-c", WITHOUT_GSTREAMER, json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    rtsp, http, usb, street, csi, pipeline = json.loads(done.stdout.splitlines()[-1])  # FFmpeg prints as well
    assert "nobody answers at 127.0.0.1:9" in rtsp and "nobody answers at 127.0.0.1:9" in http
    assert usb.startswith("4 no USB camera 63") and street == "PlayedSource"
    for refused in (csi, pipeline):
        assert refused.startswith("4 GStreamer is not usable") and "install gir1.2-gst-plugins-base-1.0" in refused


def test_a_flip_in_the_source_or_beside_it() -> None:
    assert CameraConfig(source="csi://0?flip=vertical").turn == "vertical"
    assert CameraConfig(source="csi://0", flip="rotate-90").turn == "rotate-90"
    assert CameraConfig(pipeline="x", flip="rotate-90").turn == "rotate-90"
    with pytest.raises(ValueError, match="flip is given twice"):
        CameraConfig(source="csi://0?flip=vertical", flip="horizontal")


def test_what_takes_long_is_there_before_a_camera_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Nursery] = []
    monkeypatch.setattr(Nursery, "begin", lambda nursery: begun.append(nursery))
    street = CameraConfig(source="synthetic://drive?seed=4242")
    prepare([street, CameraConfig(source="drive.mp4"), CameraConfig(source="csi://0")])
    assert not begun
    monkeypatch.setattr(Atlas, "__init__", None)  # no second one can be made
    open_camera(street, "front", (64, 48)).close()
    prepare([CameraConfig(source="rtsp://127.0.0.1:9/x")])
    prepare([CameraConfig(pipeline="videotestsrc ! appsink")])
    assert len(begun) == 2
