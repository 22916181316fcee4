"""The overlay as RTSP video: a real server, watched by a real player."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.errors import OutputError, UsageError
from edge_segnet.sinks.rtsp.settings import RtspConfig
from edge_segnet.sinks.rtsp.sink import RtspSink
from tests.support.halves import ROAD, SKY, halves
from tests.support.service import StreetService
from tests.support.waiting import wait_until

gi = pytest.importorskip("gi", reason="needs PyGObject")
try:
    gi.require_version("GstRtspServer", "1.0")
except ValueError as error:
    pytest.skip(f"needs GStreamer's RTSP server: {error}", allow_module_level=True)

from edge_segnet.sinks.rtsp import encoder as encoders  # noqa: E402 - needs GStreamer
from tests.sources.gstreamer.rtsp_out import feeding, serving, street  # noqa: E402
from tests.sources.gstreamer.rtsp_viewer import Viewer  # noqa: E402

try:
    ENCODERS = encoders.installed()
except UsageError as error:
    pytest.skip(f"needs an H.264 encoder: {error}", allow_module_level=True)


def colours(picture: NDArray[np.uint8] | None) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean BGR of the upper and of the lower half, without the edge between them."""
    assert picture is not None
    rows = picture.shape[0]
    upper, lower = picture[: rows * 2 // 5], picture[rows * 3 // 5 :]
    return upper.mean((0, 1)), lower.mean((0, 1))


def test_a_player_sees_the_overlay() -> None:
    with street() as (_, sink), Viewer(sink.urls[0]) as viewer:
        seen = colours(viewer.picture())
    expected = [0.5 * 100 + 0.5 * CAMVID_11.lut_bgr[label].astype(float) for label in (SKY, ROAD)]
    for got, wanted in zip(seen, expected, strict=True):
        assert np.abs(got - wanted).max() < 8, (got, wanted)


@pytest.mark.parametrize("encoder", ENCODERS, ids=lambda encoder: encoder.element)
def test_every_encoder_here_encodes(encoder: encoders.Encoder) -> None:
    assert encoders.first_working([encoder], 1000) is encoder


def test_an_encoder_that_does_not_work_is_passed_over() -> None:
    broken = encoders.Encoder("broken", "videoconvert ! x264enc no-such-property={kbps}")
    good = ENCODERS[-1]
    assert encoders.first_working([broken, good], 1000) is good
    with pytest.raises(OutputError, match=r"broken: .*no-such-property"):
        encoders.first_working([broken], 1000)


def test_only_what_is_watched_is_encoded_and_nothing_stays() -> None:
    process = psutil.Process()
    with street() as (service, sink):
        wait_until(lambda: service.cameras["front"].frames > 5)
        assert sink.status()["encoded"] == 0
        held: list[tuple[int, int]] = []
        for _ in range(4):
            with Viewer(sink.urls[0]) as viewer:
                assert viewer.picture() is not None
                assert sink.status()["watched"] == ["front"]
                assert sink.status()["clients"] == 1
            wait_until(lambda: not sink.status()["watched"] and sink.status()["clients"] == 0)
            before, seen = sink.status()["encoded"], service.cameras["front"].frames
            wait_until(lambda seen=seen: service.cameras["front"].frames > seen + 5)  # type: ignore[misc]
            assert sink.status()["encoded"] == before
            # The first round makes what GStreamer keeps for good.
            held.append((process.num_threads(), process.num_fds()))
        wait_until(lambda: process.num_threads() <= held[0][0] and process.num_fds() <= held[0][1])


def test_viewers_share_one_encoder_and_late_ones_see_at_once() -> None:
    with street() as (_, sink), Viewer(sink.urls[0]) as first:
        assert first.picture() is not None
        with Viewer(sink.urls[0]) as second:
            assert second.picture() is not None
            wait_until(lambda: sink.status()["clients"] == 2)
            start, count = time.monotonic(), sink.status()["encoded"]
            wait_until(lambda: sink.status()["encoded"] > count + 20)
            assert (sink.status()["encoded"] - count) / (time.monotonic() - start) < 30  # not 40


def test_a_camera_that_gives_nothing_keeps_its_stream() -> None:
    service = StreetService("front")
    with serving(service) as sink:
        service.camera_changes["front"] = {"state": "missing", "message": "/dev/video0: no such device"}
        with Viewer(sink.urls[0]) as viewer:
            waiting = viewer.picture()
            assert waiting is not None
            assert waiting.shape == (360, 480, 3)
            with feeding(service, sink, halves()):
                wait_until(lambda: viewer.size() == (160, 120))
                bright = colours(viewer.picture())
            service.camera_changes["front"] = {"state": "lost", "message": "no frame for 2 s"}
            wait_until(lambda: colours(viewer.picture())[0].mean() < bright[0].mean() / 2)
            service.camera_changes["front"] = {}  # merely slow: its picture as it is
            wait_until(lambda: np.abs(colours(viewer.picture())[0] - bright[0]).max() < 8)


def test_the_picture_may_change_its_size() -> None:
    service = StreetService("front")
    with serving(service) as sink, Viewer(sink.urls[0]) as viewer:
        for size in ((160, 120), (320, 180), (64, 48)):
            with feeding(service, sink, halves(size)):
                wait_until(lambda size=size: viewer.size() == size)  # type: ignore[misc]


def test_cameras_come_and_go() -> None:
    service = StreetService("front", "rear")
    with serving(service) as sink:
        front, rear = sink.urls
        assert front.endswith("/front") and rear.endswith("/rear")
        with Viewer(front.replace("front", "side")) as viewer:
            assert "Not found" in viewer.problem()
        with feeding(service, sink, halves(camera="rear")), Viewer(rear) as viewer:
            assert viewer.picture() is not None
            assert sink.status()["watched"] == ["rear"]
        with Viewer(front) as viewer:
            assert viewer.picture() is not None
            service.cameras = {"left": service.cameras["front"]}
            wait_until(lambda: sink.status()["clients"] == 0)
        assert [url.rsplit("/")[-1] for url in sink.urls] == ["left"]
        with Viewer(front) as viewer:
            assert "Not found" in viewer.problem()


def test_a_port_in_use_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as taken, caplog.at_level(logging.WARNING):
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sink = RtspSink(RtspConfig(port=port), StreetService("front"))
        sink.start()
        wait_until(lambda: "Address already in use" in str(sink.status()["error"]))
        assert sink.urls == []
        taken.close()
        wait_until(lambda: sink.urls == [f"rtsp://127.0.0.1:{port}/front"])
        assert sink.status()["error"] is None
        sink.close()
    assert [f"127.0.0.1:{port}" in record.message for record in caplog.records] == [True]


@pytest.mark.alone
def test_it_closes_at_once_and_frees_its_port() -> None:
    with street() as (service, sink), Viewer(sink.urls[0]) as viewer:
        assert viewer.picture() is not None
        port = int(sink.urls[0].split(":")[-1].split("/")[0])
        start = time.monotonic()
        sink.close()
        assert time.monotonic() - start < 1.0
        wait_until(lambda: not sink.status()["watched"])
        with serving(service, port=port) as again:
            assert again.urls == [f"rtsp://127.0.0.1:{port}/front"]
    RtspSink(RtspConfig(), StreetService("front")).close()  # never started


def test_a_machine_without_gstreamer_is_told_what_to_install() -> None:
    program = (
        "import sys; sys.modules['gi'] = None\n"
        "from edge_segnet.sinks.rtsp.settings import RtspConfig; from edge_segnet.sinks.rtsp.sink import RtspSink\n"
        "RtspSink(RtspConfig(), None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "SettingsError: rtsp: GStreamer's RTSP server is not on this machine" in done.stderr
    assert "apt install python3-gi gir1.2-gst-rtsp-server-1.0" in done.stderr
