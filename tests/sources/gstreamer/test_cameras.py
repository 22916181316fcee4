"""Cameras through GStreamer: a real RTSP server, a real MJPEG server, raw pipelines; pixels are looked at."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from edge_segnet.core.errors import InputError, SourceLost, UsageError
from edge_segnet.core.types import Fit, Frame
from edge_segnet.core.uris import FLIPS, Flip
from edge_segnet.pictures.shape import flip_image
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import gst as gstreamer
from edge_segnet.sources import open_camera
from edge_segnet.sources.live import LiveSource
from tests.sources.gstreamer.rtsp_camera import Picture, RtspCamera
from tests.support.mjpeg_camera import MjpegCamera, jpeg, quarters
from tests.support.tls import self_signed

NEEDED = ("rtspsrc", "jpegdec", "avdec_h264", "aspectratiocrop", "videoflip")
if missing := [name for name in NEEDED if not gstreamer.has(name)]:
    pytest.skip(f"needs GStreamer's {', '.join(missing)}", allow_module_level=True)

SIZE = (64, 48)
FIRST_S = 20.0
LIVE_RED = "videotestsrc is-live=true pattern=red ! video/x-raw,width=160,height=120"


def opened(source: str, *, fit: Fit = "stretch", size: tuple[int, int] = SIZE, **fields: object) -> LiveSource:
    key = "pipeline" if " ! " in source or "src" in source.split()[0] else "source"
    return open_camera(CameraConfig.model_validate({key: source} | fields), "front", size, fit)


def frames(source: LiveSource, count: int = 1) -> Iterator[Frame]:
    deadline = time.monotonic() + FIRST_S
    while count:
        assert time.monotonic() < deadline, "no frames"
        if (frame := source.read(0.5)) is not None:
            count -= 1
            yield frame


def first(source: LiveSource) -> Frame:
    return next(frames(source))


def looks_like(frame: Frame, expected: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bool:
    """In the middle of each quarter; JPEG and chroma blur the borders."""
    height, width = frame.image.shape[:2]
    ratio_y, ratio_x = expected.shape[0] / height, expected.shape[1] / width
    for y in (height // 4, 3 * height // 4):
        for x in (width // 4, 3 * width // 4):
            wanted = expected[int(y * ratio_y), int(x * ratio_x)].astype(int)
            if np.abs(frame.image[y, x].astype(int) - wanted).max() > 40:
                return False
    return True


@pytest.fixture(scope="module")
def mjpeg() -> Iterator[MjpegCamera]:
    with MjpegCamera(user="me", password="s3cret") as camera:
        yield camera


@pytest.fixture(scope="module")
def rtsp() -> Iterator[RtspCamera]:
    with RtspCamera(user="me", password="s3cret") as camera:
        yield camera


@pytest.mark.parametrize("flip", FLIPS)
def test_mjpeg_with_every_flip(mjpeg: MjpegCamera, flip: Flip) -> None:
    with closing(opened(mjpeg.url, flip=flip)) as source:
        frame = first(source)
        assert frame.image.shape == (48, 64, 3) and frame.original is None
        assert frame.source_size == ((240, 320) if flip in ("rotate-90", "rotate-270") else (320, 240))
        assert looks_like(frame, flip_image(quarters(), flip))
        assert not frame.image.flags.writeable and frame.camera == "front" and not frame.synthetic


def test_crop_keeps_the_middle(mjpeg: MjpegCamera) -> None:
    with closing(opened(mjpeg.url, fit="crop", size=(48, 96))) as source:
        frame = first(source)
        # The middle 120 columns of 320: the borders between the quarters stay in the middle.
        assert frame.image.shape == (96, 48, 3) and frame.source_size == (320, 240)
        assert looks_like(frame, quarters()[:, 100:220])
    with closing(opened(mjpeg.url, fit="crop", size=(96, 48), flip="rotate-90")) as source:
        assert looks_like(first(source), flip_image(quarters(), "rotate-90")[100:220])


@pytest.mark.parametrize("fit", ["stretch", "crop"])
def test_a_new_size_while_it_runs(mjpeg: MjpegCamera, fit: Fit) -> None:
    with closing(opened(mjpeg.url, fit=fit, flip="rotate-270")) as source:
        first(source)
        for size in ((32, 32), (96, 64), SIZE):
            source.resize(size)
            for frame in frames(source, 3):
                assert frame.image.shape == (size[1], size[0], 3)
            assert frame.source_size == (240, 320)


def test_a_wrong_password_is_said_without_it(mjpeg: MjpegCamera) -> None:
    with closing(opened(mjpeg.url.replace("s3cret", "wr0ng"))) as source, pytest.raises(InputError) as lost:
        first(source)
    assert "401" in str(lost.value) and "wr0ng" not in str(lost.value) and "\n" not in str(lost.value)


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    with MjpegCamera(tls=self_signed(tmp_path)) as camera:
        refused = pytest.raises(InputError, match=r"this machine does not trust the certificate of 127\.0\.0\.1")
        with closing(opened(camera.url)) as source, refused:
            first(source)


def test_broken_jpegs_are_no_end() -> None:
    good = jpeg(quarters())
    broken = MjpegCamera(lambda number: good if number % 3 else b"\xff\xd8 nonsense")
    with broken as camera, closing(opened(camera.url)) as source:
        assert all(looks_like(frame, quarters()) for frame in frames(source, 8))


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp(rtsp: RtspCamera, transport: str) -> None:
    before = time.monotonic_ns()
    with closing(opened(rtsp.url, transport=transport)) as source:
        got = list(frames(source, 12))
    assert got[0].source_size == (320, 240) and got[0].image.shape == (48, 64, 3)
    assert {(frame.conversions, frame.copies) for frame in got[:5]} == {(1, 1)}, "all are kept: places become scarce"
    stamps = [frame.captured_ns for frame in got]
    assert stamps == sorted(stamps) and len(set(stamps)) == len(stamps)
    assert before < stamps[0] and stamps[-1] < time.monotonic_ns()
    assert got[-1].captured_at == pytest.approx(time.time(), abs=FIRST_S)
    assert any(not np.array_equal(a.image, b.image) for a, b in pairwise(got)), "the ball moves"


def test_rtsp_shows_the_colour_that_was_sent() -> None:
    with RtspCamera(Picture(pattern="red", codec="jpeg")) as camera, closing(opened(camera.url)) as source:
        assert np.abs(first(source).image.astype(int) - (0, 0, 255)).max() < 20


def test_rtsp_that_refuses(rtsp: RtspCamera) -> None:
    for url, says in (
        (rtsp.url.replace("s3cret", "wr0ng"), "Unauthorized"),
        (rtsp.url.replace("/stream", "/other"), "Not found"),
    ):
        with closing(opened(url)) as source, pytest.raises(SourceLost) as lost:
            first(source)
        assert says.lower() in str(lost.value).lower()
        assert "wr0ng" not in str(lost.value) and "s3cret" not in str(lost.value) and "\n" not in str(lost.value)


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https"])
def test_nobody_answers(scheme: str) -> None:
    with closing(opened(f"{scheme}://me:s3cret@127.0.0.1:9/x")) as source, pytest.raises(InputError) as lost:
        first(source)
    assert str(lost.value).startswith(f"{scheme}://127.0.0.1:9/x: nobody answers at 127.0.0.1:9 (Connection refused)")


@pytest.mark.parametrize(
    "pipeline",
    [
        LIVE_RED,
        "videotestsrc pattern=red ! videoconvert",
        "videotestsrc is-live=true pattern=red ! x264enc tune=zerolatency ! decodebin",
        "videotestsrc is-live=true pattern=red ! queue max-size-buffers=1\n ! video/x-raw, format=RGBA",
    ],
)
def test_raw_pipelines(pipeline: str) -> None:
    with closing(opened(pipeline)) as source:
        frame = first(source)
        assert np.abs(frame.image[20:28, 20:44].astype(int) - (0, 0, 255)).max() < 20
        assert source.live and (frame.conversions, frame.copies) == (1, 1)


def test_a_raw_pipeline_that_ends_is_lost() -> None:
    two = closing(opened("videotestsrc num-buffers=2 ! videoconvert"))
    with two as source, pytest.raises(SourceLost, match="pipeline: the stream ended"):
        for _ in range(10):
            source.read(0.5)


@pytest.mark.parametrize(
    ("pipeline", "error", "says"),
    [
        ("videotestsrc ! ! x", UsageError, "pipeline: syntax error"),
        ("nosuchsrc ! videoconvert", InputError, 'no element "nosuchsrc": install'),
        ("videotestsrc ! fakesink", UsageError, "it must end in raw video, without a sink"),
        ("audiotestsrc ! audioconvert", UsageError, "pipeline: ends in audio/x-raw: it must end in raw video"),
        ("videotestsrc ! x264enc", UsageError, "pipeline: ends in video/x-h264"),
        ("v4l2src device=/dev/video63 ! videoconvert", SourceLost, "Cannot identify device '/dev/video63'"),
        ("rtspsrc location=rtsp://me:s3cret@127.0.0.1:9/x ! decodebin", SourceLost, "Failed to connect"),
    ],
)
def test_raw_pipelines_that_do_not_work(pipeline: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error) as refused, closing(opened(pipeline)) as source:
        first(source)
    assert says in str(refused.value) and "s3cret" not in str(refused.value) and "\n" not in str(refused.value)


def test_cameras_that_are_not_here() -> None:
    absent = closing(opened("v4l2:///dev/video63?width=640&height=480&fps=30"))
    with absent as source, pytest.raises(InputError, match="no USB camera 63: list cameras with"):
        first(source)
    if not gstreamer.has("nvarguscamerasrc"):
        with pytest.raises(InputError, match="GStreamer has no element nvarguscamerasrc: install nvidia-l4t-gstreamer"):
            opened("csi://0?width=1280&height=720&fps=30")


def test_a_slow_reader_gets_the_newest_frame() -> None:
    with closing(opened(LIVE_RED)) as source:
        first(source)
        time.sleep(0.5)
        late = first(source)
        assert time.monotonic_ns() - late.captured_ns < 250e6
