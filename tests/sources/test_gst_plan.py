"""What GStreamer shall be asked for, without GStreamer: a Jetson's camera, modes of USB cameras, secrets."""

from __future__ import annotations

import pytest

from edge_segnet.core.errors import InputError
from edge_segnet.core.uris import parse
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources.gst_plan import Step, choose_mode, first_missing, head, tail
from edge_segnet.sources.live import Terms

OFFERED = (
    "video/x-raw, format=(string)YUY2, width=(int)640, height=(int)480, pixel-aspect-ratio=(fraction)1/1, "
    "framerate=(fraction){ 30/1, 24/1, 15/1 }; "
    "video/x-raw, format=(string)YUY2, width=(int)320, height=(int)240, framerate=(fraction)30/1; "
    "video/x-raw, format=(string)YUY2, width=(int)1920, height=(int)1080, framerate=(fraction)5/1; "
    "image/jpeg, width=(int)1920, height=(int)1080, framerate=(fraction){ 30/1, 30000/1001 }; "
    "image/jpeg, width=(int)1280, height=(int)720, framerate=(fraction)[ 1/1, 60/1 ]; "
    "video/x-h264, width=(int)1920, height=(int)1080, framerate=(fraction)30/1"
)
"""As ``gst-device-monitor-1.0 Video`` shows the capabilities of a webcam."""


def steps(text: str, **fields: object) -> list[Step]:
    return head(parse(text), Terms.of(CameraConfig.model_validate({"source": text} | fields)))


def test_a_csi_camera_is_scaled_and_turned_by_the_jetsons_converter() -> None:
    camera, mode = steps("csi://1?width=1280&height=720&fps=29.97&flip=rotate-90")
    assert (camera.factory, dict(camera.properties)) == ("nvarguscamerasrc", {"sensor-id": 1})
    expected = "video/x-raw(memory:NVMM),format=NV12,width=1280,height=720,framerate=2997/100"
    assert mode.properties["caps"] == expected
    convert, size, sink = tail((480, 360), "stretch", "rotate-90", nvidia=True)
    # nvvidconv's flip-method 3 is a quarter turn clockwise.
    assert (convert.factory, convert.properties["flip-method"]) == ("nvvidconv", 3)
    assert size.properties["caps"] == "video/x-raw,format=BGRx,width=480,height=360"
    assert {**sink.properties, **sink.optional} == {
        "max-buffers": 1,
        "drop": True,
        "leaky-type": "downstream",
        "sync": False,
        "emit-signals": False,
        "enable-last-sample": False,
    }


def test_elsewhere_it_is_scaled_before_it_is_converted() -> None:
    names = " ".join(step.factory for step in tail((480, 360), "crop", "rotate-90", nvidia=False))
    assert names == "aspectratiocrop videoscale capsfilter videoconvert capsfilter videoflip appsink"
    crop, scale, size, *_ = tail((480, 360), "crop", "rotate-90", nvidia=False)
    assert crop.properties["aspect-ratio"] == "360/480"
    assert scale.properties["add-borders"] is False
    assert size.properties["caps"] == "video/x-raw,width=360,height=480"


def test_rtsp_settings_and_secrets() -> None:
    source, _ = steps("rtsp://me:hunter2@cam/1?x=1", transport="udp", latency_ms=120)
    assert source.properties["location"] == "rtsp://cam/1?x=1"
    assert (source.properties["user-id"], source.properties["user-pw"]) == ("me", "hunter2")
    assert (source.properties["protocols"], source.properties["latency"]) == ("udp", 120)
    assert "hunter2" not in repr(source)


@pytest.mark.parametrize(
    ("wish", "caps"),
    [
        ("", "video/x-raw,width=640,height=480,framerate=30/1"),
        ("?fps=15", "video/x-raw,width=640,height=480,framerate=15/1"),
        ("?width=1920&height=1080", "image/jpeg,width=1920,height=1080,framerate=30/1"),
        ("?width=1920&height=1080&format=raw", "video/x-raw,width=1920,height=1080,framerate=5/1"),
        ("?width=1920&height=1080&fps=29.97", "image/jpeg,width=1920,height=1080,framerate=30000/1001"),
        ("?width=1280&height=720&fps=12.5", "image/jpeg,width=1280,height=720,framerate=25/2"),
        ("?format=mjpeg", "image/jpeg,width=1280,height=720,framerate=60/1"),
        ("?width=320&height=240", "video/x-raw,width=320,height=240,framerate=30/1"),
    ],
)
def test_the_mode_of_a_usb_camera(wish: str, caps: str) -> None:
    assert choose_mode(OFFERED, parse(f"v4l2:///dev/video0{wish}")).caps == caps


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ("?width=800&height=600", "the camera can't do 800x600: it can do "),
        ("?width=640&height=480&fps=60", "the camera can't do 640x480 at 60 frames/s"),
        ("?format=mjpeg&width=640&height=480", "the camera can't do mjpeg 640x480"),
    ],
)
def test_what_a_usb_camera_can_not_do(wish: str, says: str) -> None:
    with pytest.raises(InputError) as refused:
        choose_mode(OFFERED, parse(f"v4l2:///dev/video0{wish}"))
    assert says in str(refused.value) and "mjpeg 1920x1080 at 30" in str(refused.value)


def test_a_device_that_offers_nothing() -> None:
    with pytest.raises(InputError, match="can't do video: it can do nothing that can be read here"):
        choose_mode("video/x-bayer, width=(int)640, height=(int)480", parse("0"))


def test_the_first_element_that_is_missing() -> None:
    assert first_missing(steps("csi://0"), lambda name: name != "nvarguscamerasrc") == "nvarguscamerasrc"
    assert first_missing(steps("rtsp://cam"), lambda _: True) is None
