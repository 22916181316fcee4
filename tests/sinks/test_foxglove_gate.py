"""Who is let in to Foxglove, and clients that mean harm."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection

from edge_segnet.sinks.foxglove.gate import Gate
from edge_segnet.sinks.foxglove.settings import FoxgloveConfig
from tests.support.foxglove import Viewer, driving, handshake, opened, raw, serving
from tests.support.recordings import street
from tests.support.service import StreetService, renumbered
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    ("headers", "answer"),
    [
        ("Host: evil.example\r\n", "403 Forbidden"),
        ("Host: localhost\r\nOrigin: https://evil.example\r\n", "403 Forbidden"),
        ("Host: localhost\r\nOrigin: null\r\n", "403 Forbidden"),
        ("Host: localhost\r\nOrigin: http://[\r\n", "403 Forbidden"),
        ("", "403 Forbidden"),
        ("Host: localhost\r\nOrigin: https://app.foxglove.dev\r\n", "101 Switching"),
        ("Host: localhost\r\nOrigin: http://localhost:8080\r\n", "101 Switching"),
        ("Host: localhost\r\nOrigin: https://viewer.example\r\n", "101 Switching"),
        ("Host: 127.0.0.1:8765\r\n", "101 Switching"),
        (f"Host: localhost\r\nX: {'x' * 9000}\r\n", "400 Bad Request"),
    ],
)
def test_only_foxglove_and_known_names_come_in(headers: str, answer: str) -> None:
    with serving(StreetService(), allowed_origins=["https://viewer.example"]) as sink:
        assert handshake(sink, headers).split("\r\n")[0].startswith(f"HTTP/1.1 {answer}")


def test_the_sdks_own_server_is_not_where_a_page_would_look_for_it() -> None:
    """It knows no Origin; only who knows its address reaches it."""
    me = psutil.Process()
    places = set()

    def listening() -> set[Any]:
        return {place.laddr for place in me.net_connections("tcp") if place.status == psutil.CONN_LISTEN}

    for _ in range(3):
        before = listening()
        with serving(StreetService()) as sink:
            gate = int(str(sink.url).rpartition(":")[2])
            (inner,) = [place for place in listening() - before if place.port != gate and place.ip.startswith("127.")]
            places.add(inner.ip)
            with pytest.raises(OSError), socket.create_connection(("127.0.0.1", inner.port), timeout=5):
                pass
    assert len(places) == 3 and "127.0.0.1" not in places


def test_a_browser_that_comes_by_mistake_is_told() -> None:
    with serving(StreetService()) as sink:
        assert "open it there as a WebSocket" in handshake(sink, "Host: localhost\r\n", upgrade="")


def test_clients_are_limited_before_they_cost_anything(caplog: pytest.LogCaptureFixture) -> None:
    process = psutil.Process()
    with serving(StreetService(), max_clients=2) as sink:
        with opened(sink):
            with opened(sink):
                before = process.num_fds()
                strangers = [raw(sink) for _ in range(200)]
                assert b"503" in strangers[0].recv(100)
                # Of a stranger's two ends one is ours.
                assert process.num_fds() - before - len(strangers) < 60
                for stranger in strangers:
                    stranger.close()
                with pytest.raises(InvalidHandshake), opened(sink):
                    pass
            wait_until(lambda: sink.status()["clients"] == 1)
            with opened(sink):
                pass
        wait_until(lambda: sink.status()["clients"] == 0)
        wait_until(lambda: sink.status()["refused"] == 201)
    assert [record.message for record in caplog.records].count("foxglove: a client was refused: too many clients") == 1


@pytest.mark.alone
def test_clients_that_mean_harm_slow_nobody() -> None:
    with serving(StreetService()) as sink, driving(sink), opened(sink) as stuck, opened(sink) as flood:
        Viewer(stuck).subscribe("/front/image", "/front/mask", "/front/overlay")  # and never reads again
        thread = threading.Thread(target=send_without_end, args=(flood,), daemon=True)
        thread.start()
        silent = [raw(sink) for _ in range(3)]
        with opened(sink) as socket:
            viewer = Viewer(socket)
            viewer.subscribe("/front/result")
            seqs = [viewer.until("/front/result")["seq"] for _ in range(30)]
        assert seqs == sorted(seqs)
        worst_s = 0.0
        for seq in range(50):
            began = time.perf_counter()
            sink.publish(renumbered(street()[0], seq))
            worst_s = max(worst_s, time.perf_counter() - began)
        assert worst_s < 1.0
        for each in (*silent, stuck.socket, flood.socket):
            each.close()
        thread.join(20)


def send_without_end(flood: ClientConnection) -> None:
    try:
        while True:
            flood.send("x" * 60_000)
    except (ConnectionClosed, OSError):
        return


def test_a_client_that_takes_nothing_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as inner:
        gate = Gate(FoxgloveConfig(port=0), None, inner.getsockname(), stuck_s=0.3)
        gate.start()
        wait_until(lambda: gate.port)
        with socket.create_connection(("127.0.0.1", gate.port or 0)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n")
            served, _ = inner.accept()
            with served:
                served.settimeout(20)
                assert served.recv(4096).startswith(b"GET / HTTP/1.1")
                with pytest.raises(OSError, match=r"(?i)reset|broken pipe"):
                    while True:
                        served.sendall(bytes(1_000_000))
            wait_until(lambda: gate.clients == 0)
        gate.close(5)


def test_garbage_ends_a_connection_and_nothing_else() -> None:
    with serving(StreetService()) as sink, driving(sink):
        for garbage in (b"\x00" * 100, b"\xff" * 5000, b"GET / HTTP/1.1\r\n\r\n" * 3, b"\x16\x03\x01\x02\x00"):
            with raw(sink) as client:
                client.sendall(garbage)
                client.settimeout(0.2)
                try:
                    client.recv(1000)
                except OSError:
                    continue
        for text in ("", "{", "[]", '{"op":"subscribe","subscriptions":[{"id":1,"channelId":99999}]}', "9" * 100_000):
            with opened(sink) as socket:
                socket.send(text)
                socket.send(b"\x01\x02")
        with opened(sink) as socket:
            viewer = Viewer(socket)
            viewer.subscribe("/front/result")
            assert viewer.until("/front/result")["camera"] == "front"
