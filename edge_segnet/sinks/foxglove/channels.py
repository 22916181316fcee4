"""The topics that viewers can subscribe to, and what is sent on them."""

from __future__ import annotations

import logging
import secrets
import threading

import foxglove
from foxglove.websocket import WebSocketServer

from edge_segnet.core.types import Result
from edge_segnet.scene.events import Event
from edge_segnet.sinks import Service
from edge_segnet.sinks.messages import COMMON, KINDS, WORDS, Message, Messages, Topic


class Channels:
    """Channels of foxglove's SDK by topic; its server sends what is logged to them."""

    def __init__(self, service: Service, quality: int) -> None:
        """``quality``: of JPEG."""
        self.sent = 0
        self._service = service
        self._messages = Messages(service, quality)
        self._context = foxglove.Context()
        self._server: WebSocketServer | None = None
        self._channels: dict[str, tuple[Topic, foxglove.Channel]] = {}
        self._lock = threading.Lock()
        """Guards the channels: made when a camera is first heard of, by whichever thread hears of it."""
        for topic in COMMON.values():
            self._channel(topic)

    def serve(self, backlog: int) -> tuple[str, int]:
        """Start the SDK's server; its (host, port). ``backlog``: messages that wait for a client.

        It lets everyone in who reaches it, pages of any Origin too. So it stands at one of the 2^24 loopback addresses,
        drawn anew at every start: a page in a browser of this machine would have to try them all, with every port.
        """
        host = f"127.{'.'.join(str(1 + secrets.randbelow(254)) for _ in range(3))}"
        self._server = foxglove.start_server(
            name="edge-segnet", host=host, port=0, context=self._context, message_backlog_size=backlog
        )
        return host, self._server.port

    def announce(self, result: Result) -> None:
        """Have a camera's topics offered before its first message."""
        for kind in KINDS:
            topic = self._messages.topic(result, kind)
            if topic is not None:
                self._channel(topic)

    def send_result(self, result: Result) -> None:
        """Send the views of a result that somebody watches."""
        self._forget_cameras()
        if result.frame.camera not in self._service.cameras:
            return  # a reload has just taken it away
        for kind in KINDS:
            topic = self._messages.topic(result, kind)
            if topic is None or not self._channel(topic).has_sinks():
                continue
            message = self._messages.of(result, kind)
            if message is not None:
                self._send(message)

    def send_event(self, event: Event) -> None:
        """Send an event and its picture."""
        for message in self._messages.event(event):
            self._send(message)

    def send_status(self) -> None:
        """Send the daemon's state."""
        self._send(self._messages.status())

    def send_log(self, record: logging.LogRecord) -> None:
        """Send a log line."""
        self._send(self._messages.log(record))

    def watched(self) -> list[str]:
        """Topics with a subscriber."""
        return sorted(name for name, (_, channel) in tuple(self._channels.items()) if channel.has_sinks())

    def _send(self, message: Message) -> None:
        self._channel(message.topic).log(message.data, log_time=message.at_ns)
        self.sent += 1

    def _channel(self, topic: Topic) -> foxglove.Channel:
        with self._lock:
            known = self._channels.get(topic.name)
            if known is not None and known[0] is topic:
                return known[1]
            if known is not None:
                known[1].close()  # the same name with another schema: another model's classes
            schema = foxglove.Schema(name=topic.schema_name, encoding=topic.schema_encoding, data=topic.schema)
            channel = foxglove.Channel(
                topic.name, schema=schema, message_encoding=topic.encoding, context=self._context
            )
            self._channels[topic.name] = (topic, channel)
            return channel

    def _forget_cameras(self) -> None:
        """Take back the topics of cameras that a reload took away."""
        cameras = self._service.cameras
        gone = [name for name in tuple(self._channels) if _is_view(name) and name.split("/")[1] not in cameras]
        for name in gone:
            with self._lock:
                self._channels.pop(name)[1].close()

    def close(self) -> None:
        """End the server and the channels."""
        if self._server is not None:
            self._server.stop()
        with self._lock:
            for _, channel in self._channels.values():
                channel.close()
            self._channels.clear()


def _is_view(name: str) -> bool:
    return name.rpartition("/")[2] in WORDS.values() and name.count("/") == 2
