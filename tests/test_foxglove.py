"""Foxglove's live connection: a real client over the real protocol, and clients that mean harm."""

from __future__ import annotations

import base64
import json
import logging
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
from mcap.records import Schema
from mcap_protobuf.decoder import DecoderFactory
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from edge_segnet.classes import CAMVID_11, CITYSCAPES_19
from edge_segnet.config import FoxgloveConfig, Tls
from edge_segnet.errors import ConfigError
from edge_segnet.sinks.foxglove import FoxgloveSink
from edge_segnet.sinks.foxglove.gate import Gate
from edge_segnet.sinks.messages import COMMON, KINDS, Messages
from edge_segnet.telemetry import CameraTelemetry
from tests.models import save_tiny
from tests.program import program
from tests.service import StreetService, drive, renumbered
from tests.test_recording import event_now
from tests.tls import self_signed
from tests.waiting import wait_until
from tools import foxglove_layout

PROTOCOL: Any = "foxglove.sdk.v1"
street = cache(lambda: drive(2))


@contextmanager
def serving(service: StreetService, **settings: Any) -> Iterator[FoxgloveSink]:
    sink = FoxgloveSink(FoxgloveConfig(**{"port": 0, **settings}), service)
    sink.start()
    try:
        wait_until(lambda: sink.url)
        yield sink
    finally:
        sink.close()


@contextmanager
def driving(sink: FoxgloveSink, period_s: float = 0.03) -> Iterator[None]:
    """Publish frames while the block runs."""
    stop = threading.Event()

    def run() -> None:
        seq = 0
        while not stop.wait(period_s):
            sink.publish(renumbered(street()[seq % 2], seq))
            seq += 1

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def opened(sink: FoxgloveSink) -> Iterator[ClientConnection]:
    with connect(str(sink.url), subprotocols=[PROTOCOL], max_size=None, close_timeout=0.5) as socket:
        yield socket


class Viewer:
    """What Foxglove does: read what is offered, subscribe, decode."""

    def __init__(self, socket: ClientConnection) -> None:
        self.offered: dict[str, dict[str, Any]] = {}
        self._socket = socket
        self._topics: dict[int, str] = {}

    def read(self) -> tuple[str, Any] | None:
        """(topic, decoded) of the next message; None: it was something else."""
        data = self._socket.recv(20)
        if isinstance(data, str):
            document = json.loads(data)
            for channel in document.get("channels", []) if document["op"] == "advertise" else []:
                self.offered[channel["topic"]] = channel
            for gone in document.get("channelIds", []) if document["op"] == "unadvertise" else []:
                self.offered = {name: each for name, each in self.offered.items() if each["id"] != gone}
            return None
        if data[0] != 1:
            return None
        number, _ = struct.unpack_from("<IQ", data, 1)
        topic = self._topics[number]
        channel, body = self.offered[topic], bytes(data[13:])
        if channel["encoding"] == "json":
            return topic, json.loads(body)
        schema = Schema(1, base64.b64decode(channel["schema"]), "protobuf", channel["schemaName"])
        return topic, DecoderFactory().decoder_for("protobuf", schema)(body)  # type: ignore[misc]

    def subscribe(self, *topics: str) -> None:
        """Once they are offered."""
        while not set(topics) <= self.offered.keys():
            self.read()
        wanted = []
        for number, topic in enumerate(topics, 1 + len(self._topics)):
            self._topics[number] = topic
            wanted.append({"id": number, "channelId": self.offered[topic]["id"]})
        self._socket.send(json.dumps({"op": "subscribe", "subscriptions": wanted}))

    def until(self, topic: str) -> Any:
        """The next message of a topic."""
        while True:
            message = self.read()
            if message is not None and message[0] == topic:
                return message[1]


def test_a_viewer_gets_what_it_subscribes_to_and_nothing_else_is_made() -> None:
    service = StreetService()
    with serving(service) as sink, driving(sink), opened(sink) as socket:
        viewer = Viewer(socket)
        viewer.subscribe("/front/mask", "/front/result", "/status", "/log", "/events")
        assert viewer.until("/front/mask").format == "png"
        assert viewer.until("/front/result")["classes"].keys() == set(CAMVID_11.names)
        assert viewer.until("/status")["model"] == "segnet-lite"
        logging.getLogger("edge_segnet.test").warning("seen live")
        assert viewer.until("/log").message == "seen live"
        service.events.append(event_now())
        assert viewer.until("/events")["rule"] == "road lost/1"
        told = sink.status()
        assert told["state"] == "listening" and told["clients"] == 1 and told["error"] is None
        assert "/front/mask" in told["watched"] and "/front/camera" not in told["watched"]
        viewer.subscribe("/front/camera", "/front/overlay")
        assert viewer.until("/front/overlay").format == viewer.until("/front/camera").format == "jpeg"
    wait_until(lambda: sink.status()["clients"] == 0)


def test_topics_follow_cameras_and_models() -> None:
    service = StreetService("front", "rear")
    with serving(service) as sink, driving(sink), opened(sink) as socket:
        viewer = Viewer(socket)
        sink.publish(renumbered(drive(1, camera="rear")[0], 1))
        viewer.subscribe("/front/result", "/rear/result")
        service.cameras = {"front": CameraTelemetry()}
        while "/rear/result" in viewer.offered:
            viewer.read()
        before = viewer.offered["/front/result"]["id"]
        service.classes = CITYSCAPES_19
        while viewer.offered.get("/front/result", {}).get("id", before) == before:
            viewer.read()
        assert "traffic light" in viewer.offered["/front/result"]["schema"]


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


def handshake(sink: FoxgloveSink, headers: str, upgrade: str = "Upgrade: websocket\r\n") -> str:
    lines = (
        f"GET / HTTP/1.1\r\n{headers}{upgrade}Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {PROTOCOL}\r\n\r\n"
    )
    with raw(sink) as client:
        client.sendall(lines.encode())
        return client.recv(4096).decode("latin-1")


def raw(sink: FoxgloveSink) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(str(sink.url).rpartition(":")[2])), timeout=20)


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


def test_clients_that_mean_harm_slow_nobody() -> None:
    with serving(StreetService()) as sink, driving(sink), opened(sink) as stuck, opened(sink) as flood:
        Viewer(stuck).subscribe("/front/camera", "/front/mask", "/front/overlay")  # and never reads again
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
        gate = Gate(FoxgloveConfig(port=0), None, inner.getsockname()[1], stuck_s=0.3)
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


def test_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    with serving(StreetService(), tls=Tls(certificate=certificate, key=key)) as sink:
        assert str(sink.url).startswith("wss://")
        trust = ssl.create_default_context(cafile=str(certificate))
        url = str(sink.url).replace("127.0.0.1", "localhost")
        with connect(url, subprotocols=[PROTOCOL], ssl=trust) as socket:
            assert json.loads(socket.recv(20))["op"] == "serverInfo"


def test_a_busy_port_is_tried_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        sink = FoxgloveSink(FoxgloveConfig(port=occupied.getsockname()[1]), StreetService())
        sink.start()
        wait_until(lambda: sink.status()["error"])
        assert sink.status()["state"] == "waiting" and sink.url is None
    wait_until(lambda: sink.url)
    began = time.monotonic()
    sink.close()
    assert time.monotonic() - began < 5


def test_other_machines_need_a_word() -> None:
    with pytest.raises(ConfigError, match=r"foxglove\.host: 0\.0\.0\.0 can be reached from other machines"):
        FoxgloveSink(FoxgloveConfig(host="0.0.0.0"), StreetService())
    FoxgloveSink(FoxgloveConfig(host="0.0.0.0", auth="none"), StreetService())


def test_the_program_serves_foxglove(tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "tiny.onnx")
    with program("-m", model, "--set", "foxglove={port: 0}") as service:
        service.wait_ready()
        url = service.get("/api/status").json()["sinks"]["foxglove"]["url"]
        with connect(url, subprotocols=[PROTOCOL], max_size=None) as socket:
            viewer = Viewer(socket)
            viewer.subscribe("/camera/mask")
            assert viewer.until("/camera/mask").frame_id == "camera"
        assert service.end() < 10 and service.process.returncode == 0


def test_the_layout_asks_for_what_there_is() -> None:
    assert foxglove_layout.PAGE.read_text(encoding="utf-8") == foxglove_layout.text("front")
    panels = foxglove_layout.layout("front")
    placed: list[str] = []

    def walk(part: Any) -> None:
        if isinstance(part, str):
            placed.append(part)
        else:
            walk(part["first"])
            walk(part["second"])

    walk(panels["layout"])
    assert sorted(placed) == sorted(panels["configById"])
    text = json.dumps(panels["configById"])
    topics = set(re.findall(r'"(/[a-z/]+)[".]', text))
    messages = Messages(StreetService(), 80)
    views = {f"/front/{kind}" for kind in KINDS}
    assert topics <= views | COMMON.keys() and {"/front/camera", "/front/mask", "/events", "/log"} <= topics
    result = messages.topic("front", "result")
    assert result is not None
    schema = json.loads(result.schema)["properties"]
    for path in re.findall(r'"/front/result\.([\w.]+)"', text):
        part: Any = {"properties": schema}
        for name in path.split("."):
            part = part["properties"][name] if part.get("properties") else {}
