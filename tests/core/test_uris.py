"""The grammar of sources: what is understood, what is refused, and that no password ever shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_segnet.core.errors import UsageError
from edge_segnet.core.places import BrokerUri, parse_broker
from edge_segnet.core.uris import SourceUri, parse, without_credentials


@pytest.mark.parametrize(
    ("text", "kind", "fields"),
    [
        ("3", "v4l2", {"device": "/dev/video3"}),
        ("/dev/video0", "v4l2", {"device": "/dev/video0"}),
        (
            "v4l2:///dev/v4l/by-id/usb-046d_HD-video-index0",
            "v4l2",
            {"device": "/dev/v4l/by-id/usb-046d_HD-video-index0"},
        ),
        (
            "v4l2:///dev/video0?width=1280&height=720&fps=29.97&format=mjpeg&flip=horizontal",
            "v4l2",
            {"width": 1280, "height": 720, "fps": 29.97, "format": "mjpeg", "flip": "horizontal"},
        ),
        ("v4l2:///dev/video0?decoder=nvidia", "v4l2", {"decoder": "nvidia", "format": "any"}),
        ("csi://1?width=1280&height=720&fps=30&flip=rotate-90", "csi", {"sensor": 1, "fps": 30.0, "flip": "rotate-90"}),
        ("csi://0", "csi", {"sensor": 0, "width": None, "height": None, "fps": None, "flip": "none"}),
        ("rtsp://cam/stream", "rtsp", {"url": "rtsp://cam/stream", "user": None, "password": None}),
        (
            "rtsp://me:p%40s%3As@cam:554/1?x=a@b",
            "rtsp",
            {"url": "rtsp://cam:554/1?x=a@b", "user": "me", "password": "p@s:s"},
        ),
        ("rtsps://me:p@ss@[fe80::1]:322/", "rtsp", {"url": "rtsps://[fe80::1]:322/", "user": "me", "password": "p@ss"}),
        ("RTSP://cam", "rtsp", {"url": "rtsp://cam"}),
        ("http://token@cam:8081/v.mjpg", "http", {"url": "http://cam:8081/v.mjpg", "user": "token", "password": None}),
        ("https://cam/axis-cgi/mjpg/video.cgi?fps=5", "http", {"url": "https://cam/axis-cgi/mjpg/video.cgi?fps=5"}),
        ("v4l2:///dev/camera_front", "v4l2", {"device": "/dev/camera_front"}),
        ("v4l2:///dev/robot/cam-left?fps=30", "v4l2", {"device": "/dev/robot/cam-left", "fps": 30.0}),
        ("/dev/camera_front", "v4l2", {"device": "/dev/camera_front"}),
        ("/dev/robot/left", "v4l2", {"device": "/dev/robot/left"}),
        ("/dev/shm/front.mp4", "path", {"path": "/dev/shm/front.mp4"}),
        ("/dev/zero", "path", {"path": "/dev/zero"}),
        ("synthetic://drive", "synthetic", {"fps": 30.0, "seed": 0}),
        ("synthetic://drive?fps=0.5&seed=7", "synthetic", {"fps": 0.5, "seed": 7}),
        ("it's a photo@home.png", "path", {"path": "it's a photo@home.png"}),
        ("frames/**/*.png", "path", {"path": "frames/**/*.png"}),
        ("20261124", "path", {"path": "20261124"}),
    ],
)
def test_what_is_understood(text: str, kind: str, fields: dict[str, object]) -> None:
    source = parse(text)
    assert (source.kind, source.text) == (kind, text)
    assert {name: getattr(source, name) for name in fields} == fields
    assert source.live == (kind not in ("path", "synthetic"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the source is empty"),
        ("a\nb.png", "control characters"),
        ("rtsp://cam/\x00", "control characters"),
        ("gopher://cam", "gopher://: unknown scheme: known: csi://, v4l2://"),
        ("file:///etc/passwd", "file://: unknown scheme: give the path itself"),
        ("my cam://x", "?://: unknown scheme"),
        ("rtsp://", "rtsp://: no host"),
        ("rtsp://:554/x", "rtsp://: no host"),
        ("rtsp://cam:70000/x", "rtsp://: no valid HOST or HOST:PORT in 'cam:70000/x'"),
        ("rtsp://cam:0", "port 0"),
        ("rtsp://[::zz]/x", "no valid HOST"),
        ("rtsp://-cam/x", "no valid host name"),
        ('rtsp://cam/x" ! filesink', "a character that has no place there: write spaces, quotes, #"),
        ("rtsp://cam/x'", "a character that has no place there"),
        ("rtsp://cam/x#y", "a character that has no place there"),
        ("http://kämera/", "a character that has no place there"),
        ("csi://", "csi://: '' is not a sensor's number"),
        ("csi://0 ! fakesrc", "is not a sensor's number"),
        ("csi://0?fps=1:30", "csi://: fps '1:30' is not a number from 0.1 to 1000"),
        ("csi://0?fps=nan", "fps 'nan' is not a number"),
        ("csi://0?fps=0", "fps '0' is not a number"),
        ("csi://0?width=640", "width and height go together"),
        ("csi://0?width=640&height=-1", "csi://: height '-1' is not a number of pixels from 16 to 16384"),
        ("csi://0?width=640&height=99999", "height '99999'"),
        ("csi://0?flip=no", "unknown flip 'no': one of: none, horizontal"),
        ("csi://0?zoom=2", "unknown parameter 'zoom': known: width, height, fps, flip"),
        ("v4l2:///dev/video0?fps=3&fps=4", "v4l2://: fps is given twice"),
        ("v4l2:///dev/video0?format=h264", "unknown format 'h264': one of: any, raw, mjpeg"),
        ("v4l2:///dev/video0?decoder=gpu", "unknown decoder 'gpu': one of: cpu, nvidia"),
        ("v4l2:///dev/", "is not a camera's device"),
        ("v4l2:///dev/.hidden", "is not a camera's device"),
        ("v4l2:///etc/passwd", "v4l2://: '/etc/passwd' is not a camera's device"),
        ("v4l2:///dev/v4l/by-id/../../sda", "is not a camera's device"),
        ("synthetic://moon", "unknown synthetic scene 'moon'"),
        ("synthetic://drive?speed=3", "unknown parameter 'speed': known: fps, seed"),
        ("synthetic://drive?seed=-1", "seed '-1' is not a whole number"),
        ("synthetic://[", "not a URI"),
    ],
)
def test_what_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse(text)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "gopher", "csi", "v4l2", "synthetic", "my cam"])
@pytest.mark.parametrize("harm", ["", " x", "/hun", "?hun", "#", "'", ":99999", "\n"])
def test_no_message_and_no_repr_shows_a_password(scheme: str, harm: str) -> None:
    text = f"{scheme}://me:ter2hun{harm}ter2@cam/x"
    try:
        source = parse(text)
    except UsageError as error:
        assert "ter2" not in str(error) or scheme in ("csi", "v4l2", "synthetic"), str(error)
    else:
        assert "ter2" not in repr(source) + source.shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://user:p%40ss@cam:554/1?x=a@b", "rtsp://cam:554/1?x=***"),
        ("rtsp://user:p@ss@cam/1", "rtsp://cam/1"),
        ("http://token@cam", "http://cam"),
        ("http://cam/v?user=me&Password=a/b;c&size=1", "http://cam/v?user=***&Password=***&size=***"),
        ("rtsp://cam/user=me_password=x_channel=1.sdp", "rtsp://cam/user=***"),
        ("http://cam/?auth_token=x&monkey=2", "http://cam/?auth_token=***&monkey=***"),
        *[
            (f"http://cam/v.m3u8?{name}=Abc123%2B&x", f"http://cam/v.m3u8?{name}=***&x")
            for name in ("sig", "apikey", "jwt", "code", "X-Amz-Signature", "st")
        ],
        ("rtsps://nvr:7441/qX7f2Lm9ZkT0aBcD?enableSrtp", "rtsps://nvr:7441/***?enableSrtp"),
        ("http://cam/hook/9f86d081884c7d65/live", "http://cam/hook/***/live"),
        ("https://cam/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0/v", "https://cam/***/v"),
        ("lost http://me:x@cam/v?code=s3cret again", "lost http://cam/v?code=*** again"),
        (
            'rtspsrc location=rtsp://me:x@cam user-pw="a b" ! fakesink',
            "rtspsrc location=rtsp://cam user-pw=*** ! fakesink",
        ),
        ("could not read rtsp://me:x@cam, ask it@home", "could not read rtsp://cam, ask it@home"),
        *[(plain, plain) for plain in ("photo@home.png", "/dev/video0", "synthetic://drive?seed=1", "rtsp://cam/a@b")],
        *[(plain, plain) for plain in ("rtsp://cam/Streaming/Channels/101", "http://cam/2024-01-01-recording.mjpg")],
        *[(plain, plain) for plain in ("csi://0?width=1280&fps=30", "http://cam/axis-cgi/mjpg/video.cgi")],
    ],
)
def test_credentials_never_leave(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


@given(
    st.text(max_size=60)
    | st.tuples(st.sampled_from(["rtsp", "csi", "v4l2", "http"]), st.text(max_size=40)).map("://".join)
)
def test_any_text_is_understood_or_refused(text: str) -> None:
    try:
        assert isinstance(parse(text), SourceUri)
    except UsageError as error:
        assert error.message


@pytest.mark.parametrize(
    ("text", "broker", "shown"),
    [
        ("mqtt://broker", BrokerUri("broker", 1883, False), "mqtt://broker:1883"),
        ("mqtts://b.example/", BrokerUri("b.example", 8883, True), "mqtts://b.example:8883"),
        ("MQTT://192.168.1.10:1884", BrokerUri("192.168.1.10", 1884, False), "mqtt://192.168.1.10:1884"),
        ("mqtts://[fe80::1]:18883", BrokerUri("fe80::1", 18883, True), "mqtts://[fe80::1]:18883"),
    ],
)
def test_brokers(text: str, broker: BrokerUri, shown: str) -> None:
    assert parse_broker(text) == broker
    assert broker.shown == shown


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("http://broker:1883", "http://: no broker's scheme: for example mqtt://"),
        ("broker:1883", "?: no broker's scheme"),
        ("tcp;x://broker", "?: no broker's scheme"),
        ("mqtt://", "mqtt://: no host in ''"),
        ("mqtt://broker:0", "mqtt://: port 0 in 'broker:0'"),
        ("mqtt://broker:x", "mqtt://: no valid HOST or HOST:PORT"),
        ("mqtt://broker/topic", "mqtt://: no plain HOST or HOST:PORT in 'broker/topic'"),
        ("mqtt://br oker", "mqtt://: no plain HOST or HOST:PORT in 'br oker'"),
        ("mqtts://me:secret@broker", "mqtts://: user and password don't belong into the address"),
        ("ws://me:secret@broker", "ws://: no broker's scheme"),
    ],
)
def test_no_brokers(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_broker(text)
    assert str(caught.value).startswith(says)
    assert "secret" not in str(caught.value)


def test_the_examples_of_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "cameras.md").read_text()
    examples = page.partition("```text\n")[2].partition("```")[0].split()
    assert {parse(text).kind for text in examples} == {"v4l2", "csi", "rtsp", "http", "path", "synthetic"}
    assert len(examples) == 12
