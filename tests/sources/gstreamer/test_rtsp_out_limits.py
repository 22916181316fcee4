"""RTSP out: who may watch, and what those can do who only mean harm."""

from __future__ import annotations

import dataclasses
import socket
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from edge_segnet.core.errors import SettingsError, UsageError
from edge_segnet.settings.sections import TokenFile
from edge_segnet.sinks.rtsp.settings import RtspConfig
from edge_segnet.sinks.rtsp.sink import RtspSink
from tests.support.halves import ROAD, halves
from tests.support.service import StreetService, segmented
from tests.support.waiting import wait_until

gi = pytest.importorskip("gi", reason="needs PyGObject")
try:
    gi.require_version("GstRtspServer", "1.0")
except ValueError as error:
    pytest.skip(f"needs GStreamer's RTSP server: {error}", allow_module_level=True)

from edge_segnet.sinks.rtsp import encoder as encoders  # noqa: E402 - needs GStreamer
from edge_segnet.sinks.rtsp import server as rtsp_server  # noqa: E402
from tests.sources.gstreamer.rtsp_out import feeding, serving, street  # noqa: E402
from tests.sources.gstreamer.rtsp_viewer import Stuck, Viewer  # noqa: E402

try:
    encoders.installed()
except UsageError as error:
    pytest.skip(f"needs an H.264 encoder: {error}", allow_module_level=True)

TOKEN = "0123456789abcdef"


def test_who_may_watch(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    secret.chmod(0o600)
    with pytest.raises(SettingsError, match=r"rtsp\.auth is not set"):
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


def test_viewers_who_break_off_take_no_place() -> None:
    with street() as (_, sink):
        for _ in range(rtsp_server.MAX_CLIENTS + 4):
            with Stuck(sink.urls[0]) as stuck:
                stuck.play()
            wait_until(lambda: sink.status()["clients"] == 0 and not sink.status()["watched"])
        with Viewer(sink.urls[0]) as viewer:
            assert viewer.picture() is not None


def test_only_this_machine_means_no_open_udp_port() -> None:
    with street() as (_, sink), Viewer(sink.urls[0]) as viewer:
        assert viewer.picture() is not None
        sockets = psutil.Process().net_connections("inet")
        assert [one.laddr for one in sockets if one.type == socket.SOCK_DGRAM] == []
