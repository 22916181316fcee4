"""What doctor says of GStreamer: elements of each source, decoders, a camera's modes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge_segnet.doctor import devices, gstreamer
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.place import Place
from edge_segnet.doctor.report import Finding
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sinks.registry import configured
from edge_segnet.sinks.rtsp.settings import RtspConfig
from edge_segnet.sources import gst, gst_plan
from tests.board.test_board import tree

if not (gst.has("v4l2src") and gst.has("rtspsrc")):
    pytest.skip("needs GStreamer with its good plug-ins", allow_module_level=True)

MODES = """
import json, sys
from pathlib import Path
from tests.sources.gstreamer.usb import Gst, Usb
Gst.Element.register(None, "v4l2src", Gst.Rank.NONE, Usb)
from edge_segnet.doctor import devices
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.place import Place
root = Path(sys.argv[2]).parent.parent
print(json.dumps([[one.title, one.status, one.seen, one.facts] for one in devices.check(Context(Place(root)))]))
"""


def found(*, rtsp: RtspConfig | None = None, **cameras: CameraConfig) -> dict[str, Finding]:
    config = configured(cameras=cameras, rtsp=rtsp)
    return {finding.title: finding for finding in gstreamer.check(Context(config=config))}


def test_each_source_has_its_elements() -> None:
    seen = found(
        net=CameraConfig(source="rtsp://cam/1"),
        usb=CameraConfig(source="0", flip="rotate-90"),
        web=CameraConfig(source="http://cam/video.mjpg"),
        csi=CameraConfig(source="csi://0"),
        tape=CameraConfig(source="drive.mp4"),
        good=CameraConfig(pipeline="videotestsrc ! videoconvert"),
        bad=CameraConfig(pipeline="videotestsrc ! nosuchthing"),
        sound=CameraConfig(pipeline="audiotestsrc"),
    )
    assert {seen[f"elements {name}"].status for name in ("net", "usb", "web", "good")} == {"green"}
    assert "elements tape" not in seen
    assert seen["elements bad"].exit_code == 4 and "nosuchthing" in seen["elements bad"].seen
    assert seen["elements sound"].exit_code == 2, "it ends in no video, whatever is installed"
    assert seen["gstreamer"].status == "green" and "GStreamer 1." in seen["gstreamer"].seen
    assert ("H.264 by " in seen["decoders"].seen) or seen["decoders"].exit_code == 4
    if not gst.has("nvarguscamerasrc"):
        assert "nvarguscamerasrc" in seen["elements csi"].seen and "nvidia-l4t" in seen["elements csi"].remedy


def test_rtsp_out_has_an_encoder() -> None:
    assert "rtsp out" not in found(usb=CameraConfig(source="0"))
    out = found(rtsp=RtspConfig(), usb=CameraConfig(source="0"))["rtsp out"]
    assert (out.status == "green") == any(map(gst.has, gstreamer.ENCODERS)) or "server" in out.seen


def test_a_cameras_modes(tmp_path: Path) -> None:
    tree(tmp_path, {"dev/video3": "", "sys/class/video4linux/video3/name": "HD Webcam"})
    command = [sys.executable, "-c", MODES, "raw", str(tmp_path / "dev/video3")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    ((title, status, seen, facts),) = json.loads(done.stdout)
    assert (title, status) == ("device /dev/video3", "green")
    assert seen == "HD Webcam: raw 1280x720 at 10, raw 640x480 at 30" and facts["modes"] == seen[11:].split(", ")


def test_a_device_that_is_no_camera(tmp_path: Path) -> None:
    tree(
        tmp_path, {"dev/video0": "", "dev/video1": "", "sys/class/video4linux/video1/name": "vi-output, imx219 9-0010"}
    )
    odd, csi = devices.check(Context(Place(tmp_path)))
    assert odd.status == "yellow" and "can't be opened as a camera" in odd.seen
    assert csi.seen == "vi-output, imx219 9-0010: a CSI sensor, read as csi://N"
    (none,) = devices.check(Context(Place(tmp_path / "nothing")))
    assert none.status == "grey"


def test_modes_in_words_largest_first() -> None:
    caps = "image/jpeg, width=(int)640, height=(int)480, framerate=(fraction){ 30/1, 60/1 }; "
    caps += "video/x-raw, format=(string)YUY2, width=(int)1280, height=(int)720, framerate=(fraction)10/1; "
    caps += "video/x-raw, format=(string)NV12, width=(int)1280, height=(int)720, framerate=(fraction)10/1"
    assert gst_plan.offered(caps) == ["raw 1280x720 at 10", "mjpeg 640x480 at 60"]
