"""A sink for Foxglove, frames for it, and a client that does what Foxglove does."""

from __future__ import annotations

import base64
import json
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mcap.records import Schema
from mcap_protobuf.decoder import DecoderFactory
from websockets.sync.client import ClientConnection, connect

from edge_segnet.core.types import Result
from edge_segnet.sinks.foxglove.settings import FoxgloveConfig
from edge_segnet.sinks.foxglove.sink import FoxgloveSink
from tests.support.recordings import street
from tests.support.service import StreetService, renumbered
from tests.support.sinks import repeating, started

PROTOCOL: Any = "foxglove.sdk.v1"


@contextmanager
def serving(service: StreetService, **settings: Any) -> Iterator[FoxgloveSink]:
    made = FoxgloveSink(FoxgloveConfig(**{"port": 0, **settings}), service)
    with started(made, lambda sink: sink.url) as sink:
        yield sink


@contextmanager
def driving(sink: FoxgloveSink, results: Sequence[Result] | None = None, period_s: float = 0.03) -> Iterator[None]:
    """Publish frames while the block runs; ``results`` may change meanwhile."""
    with repeating(lambda seq: sink.publish(renumbered((results or street())[seq % 2], seq)), period_s):
        yield


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
