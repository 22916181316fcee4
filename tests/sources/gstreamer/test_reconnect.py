"""A network camera is stopped, stalled, cut off and started again: the supervisor says so, and the picture returns."""

from __future__ import annotations

import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import gst, open_camera
from edge_segnet.sources.child import ChildSource
from edge_segnet.sources.live import FrameFormat, LiveSource
from edge_segnet.sources.supervisor import Supervisor
from tests.sources.gstreamer.rtsp_camera import Picture, RtspCamera
from tests.support.mjpeg_camera import MjpegCamera
from tests.support.scripted import Change, changes_of_state
from tests.support.stalling_proxy import StallingProxy
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import wait_until

if not (gst.has("rtspsrc") and gst.has("avdec_h264")):
    pytest.skip("needs GStreamer with rtspsrc and avdec_h264", allow_module_level=True)

SIZE = (64, 48)
Opener = Callable[[CameraConfig, tuple[int, int]], LiveSource]


def by_gstreamer(camera: CameraConfig, size: tuple[int, int]) -> LiveSource:
    return open_camera(camera, "front", size)


def by_opencv(camera: CameraConfig, size: tuple[int, int]) -> LiveSource:
    return ChildSource(camera, FrameFormat(size, "stretch", "none", "front"), gstreamer=False)


class SlowToDescribe(TcpProxy):
    """A camera that takes its time for the answer to DESCRIBE, and is quick otherwise."""

    def __init__(self, target: int, delay_s: float) -> None:
        self._delay_s = delay_s
        super().__init__(target)

    def _send(self, end: socket.socket, data: bytes) -> None:
        if data.startswith(b"DESCRIBE"):
            time.sleep(self._delay_s)
        super()._send(end, data)


@contextmanager
def watched(url: str, opener: Opener = by_gstreamer, **fields: float) -> Iterator[tuple[Supervisor, list[Change]]]:
    """A supervisor that runs already, and the states that it went through."""
    camera = CameraConfig.model_validate({"source": url} | fields)
    with changes_of_state() as changes:
        supervisor = Supervisor(lambda size: opener(camera, size), "front", SIZE, camera)
        supervisor.start()
        try:
            yield supervisor, changes
        finally:
            supervisor.close()


def runs(supervisor: Supervisor) -> bool:
    return supervisor.status().state == "running"


@pytest.mark.parametrize("opener", [by_gstreamer, by_opencv])
def test_a_camera_that_takes_long_to_describe_itself(opener: Opener) -> None:
    with RtspCamera() as camera, SlowToDescribe(camera.port, 1.5) as slow:
        url = camera.url.replace(f":{camera.port}", f":{slow.port}")
        with watched(url, opener, connect_s=0.5) as (supervisor, _):
            wait_until(lambda: supervisor.status().state == "missing")
            assert "connect_s" in supervisor.status().message
        with watched(url, opener, connect_s=8.0) as (supervisor, changes):
            wait_until(lambda: runs(supervisor))
            assert [change.state for change in changes] == ["running"]


def test_ten_seconds_are_for_a_setting() -> None:
    """What docs/cameras.md says of cameras that need ten for the first answer; both readers at once, to wait once."""
    openers = (by_gstreamer, by_opencv)
    with RtspCamera() as camera, ExitStack() as stack:
        slow = [stack.enter_context(SlowToDescribe(camera.port, 10.0)) for _ in openers]
        urls = [camera.url.replace(f":{camera.port}", f":{proxy.port}") for proxy in slow]
        watchers = [
            stack.enter_context(watched(url, opener, connect_s=15.0)) for url, opener in zip(urls, openers, strict=True)
        ]
        for supervisor, changes in watchers:
            wait_until(lambda supervisor=supervisor: runs(supervisor))  # type: ignore[misc]
            assert {change.state for change in changes} == {"running"}, "at the first try"


@pytest.mark.parametrize("opener", [by_gstreamer, by_opencv])
def test_stopped_and_started_again(opener: Opener, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with RtspCamera(user="me", password="s3cret") as camera, watched(camera.url, opener) as (supervisor, changes):
        wait_until(lambda: runs(supervisor))
        before = supervisor.read(5.0)
        camera.stop()
        wait_until(lambda: supervisor.status().state == "lost")
        assert supervisor.status().frames_per_second == 0.0
        wait_until(lambda: "nobody answers" in supervisor.status().message)
        camera.start()
        wait_until(lambda: runs(supervisor))
        after = supervisor.read(5.0)
        wait_until(lambda: len(changes) >= 3)  # it is told a moment after it can be asked
        assert [change.state for change in changes] == [
            "running",
            "lost",
            "running",
        ] and supervisor.status().reconnects == 1
        assert before is not None and after is not None and after.seq > before.seq
    assert "s3cret" not in caplog.text
    assert len([line for line in caplog.messages if re.match("camera front: (running|lost): ", line)]) == 3


@pytest.mark.parametrize("opener", [by_gstreamer, by_opencv])
def test_stalled_with_the_connection_open(opener: Opener) -> None:
    with RtspCamera() as camera, watched(camera.url, opener, stall_after_s=0.5) as (supervisor, changes):
        wait_until(lambda: runs(supervisor))
        wait_until(lambda: supervisor.status().captured > 3)  # from here on its pace is known
        camera.stall()
        wait_until(lambda: not runs(supervisor))
        wait_until(lambda: len(changes) >= 2)
        assert [change.state for change in changes] == ["running", "stalled"]
        assert supervisor.status().message.startswith("no frame for 0.")
        camera.resume()
        wait_until(lambda: runs(supervisor))


def test_a_still_picture_is_static_and_goes_on() -> None:
    still = RtspCamera(Picture(pattern="red", codec="jpeg"))
    with still as camera, watched(camera.url, static_after_s=0.5) as (supervisor, changes):
        wait_until(lambda: any(change.state == "static" for change in changes))
        assert supervisor.read(5.0) is not None and supervisor.read(5.0) is not None
        assert [change.state for change in changes] == ["running", "static"] and supervisor.status().reconnects == 0


def test_a_network_that_swallows_everything_leaves_nothing_behind() -> None:
    process = psutil.Process()
    with RtspCamera() as camera, StallingProxy(camera.port) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/stream"
        with watched(url, stall_after_s=0.15) as (supervisor, changes):
            wait_until(lambda: runs(supervisor))
            sizes = []
            for _ in range(4):
                proxy.stall()
                wait_until(lambda: not runs(supervisor))
                proxy.resume()
                wait_until(lambda: runs(supervisor))
                sizes.append(process.num_threads())
            assert max(sizes) <= sizes[0] + 2
            assert any(change.state == "stalled" for change in changes)


def test_many_reconnects_leave_nothing_behind() -> None:
    process = psutil.Process()
    mjpeg = MjpegCamera(fps=200.0)
    with mjpeg as camera, watched(camera.url, stall_after_s=0.1, backoff_max_s=0.01) as (supervisor, _):
        wait_until(lambda: runs(supervisor))

        def reconnect() -> None:
            before = supervisor.status().reconnects
            camera.hush.set()
            wait_until(lambda: supervisor.status().state == "stalled")
            camera.hush.clear()
            wait_until(lambda: supervisor.status().reconnects > before)

        reconnect()
        first = process.num_threads(), process.num_fds(), process.memory_info().rss
        for _ in range(30):
            reconnect()
        assert process.num_threads() <= first[0] + 3
        assert process.num_fds() <= first[1] + 6
        assert process.memory_info().rss - first[2] < 10e6
