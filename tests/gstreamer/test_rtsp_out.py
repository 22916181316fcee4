"""The overlay as RTSP video: a real server, watched by a real player."""

from __future__ import annotations

import dataclasses
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from edge_segnet.classes import CAMVID_11
from edge_segnet.config import RtspConfig, TokenFile
from edge_segnet.errors import ConfigError, OutputError, UsageError
from edge_segnet.sinks.rtsp import RtspSink
from edge_segnet.types import Result
from tests.halves import ROAD, SKY, halves
from tests.service import StreetService, segmented
from tests.waiting import wait_until

gi = pytest.importorskip("gi", reason="needs PyGObject")
try:
    gi.require_version("GstRtspServer", "1.0")
except ValueError as error:
    pytest.skip(f"needs GStreamer's RTSP server: {error}", allow_module_level=True)

from edge_segnet.sinks.rtsp import encoder as encoders  # noqa: E402 - needs GStreamer
from edge_segnet.sinks.rtsp import server as rtsp_server  # noqa: E402
from tests.gstreamer.rtsp_viewer import Stuck, Viewer  # noqa: E402

try:
    ENCODERS = encoders.installed()
except UsageError as error:
    pytest.skip(f"needs an H.264 encoder: {error}", allow_module_level=True)

TOKEN = "0123456789abcdef"


@contextmanager
def serving(service: StreetService, **settings: Any) -> Iterator[RtspSink]:
    """A sink that listens."""
    sink = RtspSink(RtspConfig(**{"port": 0, **settings}), service)
    sink.start()
    try:
        wait_until(lambda: sink.urls)
        yield sink
    finally:
        sink.close()


@contextmanager
def feeding(service: StreetService, sink: RtspSink, result: Result, rate: float = 20.0) -> Iterator[None]:
    """Publishes a result again and again while the block runs."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(1 / rate):
            now = dataclasses.replace(result, frame=dataclasses.replace(result.frame, captured_ns=time.monotonic_ns()))
            service.cameras[now.frame.camera].observe(now)
            sink.publish(now)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def street(**settings: Any) -> Iterator[tuple[StreetService, RtspSink]]:
    """A sink that is fed."""
    service = StreetService("front")
    with serving(service, **settings) as sink, feeding(service, sink, halves()):
        yield service, sink


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


def test_who_may_watch(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    secret.chmod(0o600)
    with pytest.raises(ConfigError, match=r"rtsp\.auth is not set"):
        RtspSink(RtspConfig(host="0.0.0.0"), StreetService("front"))
    with street(auth=TokenFile(token_file=secret)) as (_, sink):
        url = sink.urls[0]
        for password, user in (("", ""), ("0123456789abcdeF", "edge-segnet"), (TOKEN, "root")):
            with Viewer(url, password, user) as viewer:
                assert "nauthorized" in viewer.problem()
        assert sink.status()["encoded"] == 0
        with Viewer(url, TOKEN) as viewer:
            assert viewer.picture() is not None
        assert TOKEN not in repr(sink.status())


@pytest.mark.parametrize(
    "header", ["Basic", "Basic ====", "Basic /w==", "Basic OnU=", "Digest x", "Bearer " + TOKEN, "\xff"]
)
def test_garbage_is_no_password(tmp_path: Path, header: str) -> None:
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    secret.chmod(0o600)
    with serving(StreetService("front"), auth=TokenFile(token_file=secret)) as sink:
        with Stuck(sink.urls[0]) as client:
            answer = client.ask("DESCRIBE", sink.urls[0], f"Authorization: {header}")
        assert answer.startswith("RTSP/1.0 401"), answer
        assert "WWW-Authenticate: Basic" in answer


def test_a_viewer_who_does_not_read_hurts_only_itself() -> None:
    process, service = psutil.Process(), StreetService("front")
    loud = dataclasses.replace(halves((640, 480)).frame, image=_noise((640, 480)))
    result = segmented(loud, np.full((480, 640), ROAD, np.uint8))
    with serving(service, bitrate_kbps=50_000) as sink, feeding(service, sink, result, 30.0), ExitStack() as crowd:
        viewer = crowd.enter_context(Viewer(sink.urls[0]))
        assert viewer.picture() is not None
        size = process.memory_info().rss
        for _ in range(3):
            crowd.enter_context(Stuck(sink.urls[0])).play()
        wait_until(lambda: sink.status()["clients"] == 4)
        while sink.status()["clients"] > 1:
            assert viewer.picture(timeout_s=5.0) is not None
        assert process.memory_info().rss - size < 80e6


def _noise(size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), np.uint8)


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
        assert (front.rsplit("/")[-1], rear.rsplit("/")[-1]) == ("front", "rear")
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
    assert [record.message for record in caplog.records if f"127.0.0.1:{port}" in record.message]
    assert len(caplog.records) == 1


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
    RtspSink(RtspConfig(port=0), StreetService("front")).close()  # never started


def test_connections_are_limited_and_idle_ones_closed() -> None:
    with street() as (_, sink), ExitStack() as crowd:
        idle = [crowd.enter_context(Stuck(sink.urls[0])).socket for _ in range(rtsp_server.MAX_CLIENTS)]
        wait_until(lambda: sink.status()["clients"] == rtsp_server.MAX_CLIENTS)
        idle[0].sendall(b"DESCRIBE rtsp://")  # half a request keeps nothing open
        assert crowd.enter_context(Stuck(sink.urls[0])).socket.recv(1) == b""
        wait_until(lambda: sink.status()["clients"] == 0)
        assert all(one.recv(1) == b"" for one in idle)
        with Viewer(sink.urls[0]) as viewer:
            assert viewer.picture() is not None


def test_only_this_machine_means_no_open_udp_port() -> None:
    with street() as (_, sink), Viewer(sink.urls[0]) as viewer:
        assert viewer.picture() is not None
        sockets = psutil.Process().net_connections("inet")
        assert [one.laddr for one in sockets if one.type == socket.SOCK_DGRAM] == []


def test_a_machine_without_gstreamer_is_told_what_to_install() -> None:
    program = (
        "import sys; sys.modules['gi'] = None\n"
        "from edge_segnet.config import RtspConfig; from edge_segnet.sinks.rtsp import RtspSink\n"
        "RtspSink(RtspConfig(), None)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "UsageError: rtsp: GStreamer's RTSP server is not on this machine" in done.stderr
    assert "apt install python3-gi gir1.2-gst-rtsp-server-1.0" in done.stderr
