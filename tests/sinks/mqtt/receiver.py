"""A client that keeps everything it gets, in order, over restarts of the broker."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.support.waiting import wait_until


@dataclass
class Received:
    """One message."""

    topic: str
    payload: bytes
    retained: bool
    qos: int
    content_type: str | None
    expiry_s: int | None
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def document(self) -> Any:
        """The payload's JSON."""
        return json.loads(self.payload)


class Receiver:
    """Subscribed to everything with QoS 2, in a session that lasts."""

    def __init__(self, port: int, topics: str = "#", *, name: str = "receiver", **account: str) -> None:
        self.messages: list[Received] = []
        self.subscriptions = 0
        self._topics = topics
        self._client = Client(CallbackAPIVersion.VERSION2, f"{name}-{port}", protocol=MQTTv5)
        if account:
            self._client.username_pw_set(account["user"], account["password"])
        self._client.reconnect_delay_set(0.1, 0.1)  # type: ignore[arg-type]  # paho passes it to sleep()
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._take
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 3600
        self._client.connect_async("127.0.0.1", port, keepalive=60, clean_start=False, properties=properties)
        self._client.loop_start()

    def _connected(self, client: Client, _data: Any, _flags: Any, _reason: Any, _told: Any) -> None:
        client.subscribe(self._topics, 2)

    def _subscribed(self, _client: Client, _data: Any, _identifier: int, _reasons: Any, _told: Any) -> None:
        self.subscriptions += 1

    def _take(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        told = message.properties
        self.messages.append(
            Received(
                message.topic,
                bytes(message.payload),
                message.retain,
                message.qos,
                getattr(told, "ContentType", None),
                getattr(told, "MessageExpiryInterval", None),
                dict(getattr(told, "UserProperty", [])),
            )
        )

    def ready(self) -> Receiver:
        """Once it is subscribed."""
        wait_until(lambda: self.subscriptions)
        return self

    def of(self, topic: str) -> list[Received]:
        """The messages of one topic."""
        return [message for message in tuple(self.messages) if message.topic == topic]

    def events(self) -> list[int]:
        """The frame numbers of the events, which the tests number."""
        return [message.document["frame_seq"] for message in self.of("robot/event")]

    def states(self) -> list[str]:
        """The words of the status."""
        return [message.document["state"] for message in self.of("robot/status")]

    def __enter__(self) -> Receiver:
        return self.ready()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()
