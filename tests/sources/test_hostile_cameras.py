"""Cameras that lie, flood, hang and never end: each costs a bounded process, and a message."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import psutil
import pytest

from edge_segnet.core.errors import BadFrame, InputError, SourceLost
from edge_segnet.core.types import Frame
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import gst, open_camera
from edge_segnet.sources.child import ChildSource
from edge_segnet.sources.nursery import nursery
from tests.sources.hostile import DESCRIBED, HTTP, PLAYED, HostileCameras
from tests.support.mjpeg_camera import MjpegCamera, jpeg
from tests.support.waiting import wait_until

SIZE = (64, 48)
MOST_MB = 130
"""The limit is 256 (``memory_mb``); a child that reads a good camera has about 50."""
SAYS = {
    "endless-line": "header line",
    "redirect": "from one address to the next",
    "elsewhere": "from one address to the next",
    "endless-picture": "a picture of more than 16 MB",
    "lying-length": "1099511627776 bytes, more than 16 MB",
    "no-part": "no picture begins",
    "endless-part-head": "head does not end",
    "gigapixel": "pictures of 32768x32768",
    "large-in-passes": "pictures of 9900x9900",
    "page": "it sends text/html, no MJPEG",
    "rtsp-redirect": "from one address to the next",
    "rtsp-endless-unit": "a picture of more than 16 MB",
    "rtsp-huge-pictures": "pictures of 16384x16384",
}
"""Those that a limit ends; the others are silent or wrong until the supervisor's patience ends."""


@pytest.fixture(scope="module")
def cameras() -> Iterator[HostileCameras]:
    with HostileCameras() as all_of_them:
        yield all_of_them


def opened(url: str, **fields: object) -> ChildSource:
    source = open_camera(CameraConfig.model_validate({"source": url} | fields), "front", SIZE)
    assert isinstance(source, ChildSource)
    return source


@pytest.mark.parametrize("name", [*HTTP, *DESCRIBED, *PLAYED])
def test_what_it_costs(cameras: HostileCameras, name: str) -> None:
    if name.startswith("rtsp") and not gst.has("rtspsrc"):
        pytest.skip("needs GStreamer's rtspsrc")
    peak_mb, message = 0.0, ""
    with closing(opened(cameras.urls[name])) as source:
        process = psutil.Process(source._pid)
        deadline = time.monotonic() + (15.0 if name in SAYS else 1.5)
        while not message and time.monotonic() < deadline:
            try:
                source.read(0.05)
                peak_mb = max(peak_mb, process.memory_info().rss / 1e6)
            except BadFrame:
                continue
            except InputError as error:
                message = str(error)
            except psutil.NoSuchProcess:
                continue
    assert SAYS.get(name, "") in message
    assert peak_mb < MOST_MB


def test_a_process_that_takes_too_much_is_ended() -> None:
    grows = 'multifilesrc location=/dev/zero blocksize=4000000 caps="video/x-raw,format=BGR,width=64,height=48,'
    grows += 'framerate=500/1" ! queue max-size-buffers=0 max-size-bytes=0 max-size-time=0 ! identity sleep-time=900000'
    if not gst.has("multifilesrc"):
        pytest.skip("needs GStreamer's multifilesrc")
    source = open_camera(CameraConfig(pipeline=grows, memory_mb=100), "front", SIZE)
    assert isinstance(source, ChildSource)
    pid = source._pid
    with closing(source), pytest.raises(SourceLost, match=r"its process took \d+ MB of memory, and may take 100"):
        deadline = time.monotonic() + 20.0
        while time.monotonic() < deadline:
            source.read(0.2)
    assert not psutil.pid_exists(pid)


@pytest.mark.parametrize("kind", ["image/jpg", "IMAGE/JPEG", "image/pjpeg", "application/octet-stream"])
@pytest.mark.parametrize("length", [True, False])
def test_a_part_may_be_called_anything(kind: str, length: bool) -> None:
    with MjpegCamera(kind=kind, length=length) as camera, closing(opened(camera.url)) as source:
        wait_until(lambda: source.read(0.2) is not None)
        assert source.damaged == 0


def taken(source: ChildSource, count: int) -> list[Frame]:
    frames: list[Frame] = []
    deadline = time.monotonic() + 20.0
    while len(frames) < count:
        assert time.monotonic() < deadline
        if (frame := source.read(0.2)) is not None:
            frames.append(frame)
    return frames


def test_half_a_jpeg_is_damaged() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    whole = jpeg(noise)
    half = whole[: len(whole) // 3] + b"\xff\xd9"
    with MjpegCamera(lambda number: whole if number % 2 else half, fps=60.0) as camera:
        with closing(opened(camera.url)) as source:
            came = taken(source, 20)
            assert source.damaged > 5
            assert all(float(frame.image[-8:].std()) > 5.0 for frame in came), "grey where nothing came"
        with closing(opened(camera.url, on_damage="flag")) as source:
            assert {frame.whole for frame in taken(source, 20)} == {True, False}


def test_a_digest_is_answered() -> None:
    with MjpegCamera(user="me", password="s3cret", digest=True) as camera, closing(opened(camera.url)) as source:
        wait_until(lambda: source.read(0.2) is not None)


def test_pictures_that_somebody_keeps_do_not_stop_the_camera() -> None:
    with MjpegCamera(lambda number: jpeg(np.full((48, 64, 3), number % 200, np.uint8)), fps=100.0) as camera:
        with closing(opened(camera.url)) as source:
            frames = taken(source, 40)
            sums = [int(frame.image.sum()) for frame in frames]
            taken(source, 10)
        assert [int(frame.image.sum()) for frame in frames] == sums, "nobody drew over them, not even at the end"
        assert not any(frame.image.flags.writeable for frame in frames)


def test_a_nursery_that_dies_is_replaced() -> None:
    with MjpegCamera() as camera:
        with closing(opened(camera.url)) as source:
            wait_until(lambda: source.read(0.2) is not None)
            assert nursery._process is not None
            os.kill(nursery._process.pid, 9)
            with pytest.raises(SourceLost, match="ended unexpectedly"):
                while True:
                    source.read(0.2)
        with closing(opened(camera.url)) as source:
            wait_until(lambda: source.read(0.2) is not None)
