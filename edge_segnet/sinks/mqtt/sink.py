"""Status, results and events to an MQTT 5 broker.

    publish (fan-out's thread) ── leaves the newest result ──► the sink's thread ──► broker
    event log (disk) ────────────────────────────────────────►

The thread makes JSON and JPEG only when the broker takes them. A broker that is away, slow, frozen or hostile costs
results, which are counted; events wait on disk.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from edge_segnet.core import threads
from edge_segnet.core.errors import SettingsError
from edge_segnet.core.files import state_folder
from edge_segnet.core.types import Result
from edge_segnet.sinks import Service
from edge_segnet.sinks.mqtt.account import account
from edge_segnet.sinks.mqtt.cursor import Cursor
from edge_segnet.sinks.mqtt.queue import EventQueue
from edge_segnet.sinks.mqtt.settings import MqttConfig
from edge_segnet.sinks.mqtt.spec import MqttStatus
from edge_segnet.sinks.mqtt.stream import Stream

if TYPE_CHECKING:
    from edge_segnet.sinks.mqtt.protocol import Message  # needs paho, which may be missing

CLOSE_S: Final = 0.9
"""Of the 1.5 s that all sinks have at the end, side by side."""


class MqttSink:
    """A sink that talks to one broker."""

    def __init__(self, config: MqttConfig, service: Service) -> None:
        """Reads password and certificates; ``start`` connects.

        Raises:
            SettingsError: they can't be used, or paho-mqtt is not installed.
        """
        if find_spec("paho") is None:
            hint = "pip install 'edge-segnet[mqtt]', or leave the section out"
            raise SettingsError("paho-mqtt is not installed", hint=hint, key=("mqtt",))
        from edge_segnet.sinks.mqtt.messages import Messages
        from edge_segnet.sinks.mqtt.sender import Sender

        self._account = account(config)
        self._queue = EventQueue(service.events, Cursor(state_folder() / "mqtt-cursor.json"))
        messages = Messages(config, service, self._account.client_id)
        self._sender = Sender(service, self._account, messages, self._queue)
        self._streams: list[Stream] = []
        self._add("result", config.rate, messages.result)
        if config.frame is not None:
            self._add("frame", config.frame.rate, messages.frame)
        if config.compat is not None:
            self._add("result_0_1", config.rate, messages.result_0_1)
            if config.frame is not None:
                self._add("frame_0_1", config.frame.rate, messages.frame_0_1)
        self._thread = threads.Thread(self._sender.run, "mqtt")

    def _add(self, name: str, rate: float, make: Callable[[Result], Message | None]) -> None:
        self._streams = [*self._streams, Stream(name, rate)]
        self._sender.add(self._streams[-1], make)

    def start(self) -> None:
        """Connect, in a thread of its own, again and again."""
        self._queue.begin()
        self._thread.start()

    def publish(self, result: Result) -> None:
        """Leave a result for the thread; never waits."""
        left = [stream.offer(result) for stream in self._streams]
        if any(left):
            self._sender.wake()

    def status(self) -> MqttStatus:
        """State of the connection, events that wait (``queue``), results that the broker did not take (``dropped``)."""
        sender = self._sender
        return {
            "state": sender.state,
            "error": sender.error,
            "url": self._account.broker.shown,
            "client_id": self._account.client_id,
            "connections": sender.connections,
            "queue": self._queue.waiting,
            "dropped": sum(stream.dropped for stream in self._streams),
            "sent": {stream.name: stream.sent for stream in self._streams} | {"event": self._queue.sent},
            "events_dropped": self._queue.dropped,
        }

    def close(self) -> None:
        """Say goodbye, within a second; a thread that hangs in a look-up of the broker's name is left behind."""
        self._sender.stop()
        if not self._thread.started:
            self._sender.run()  # it never began, and only gives back what it holds
        self._thread.join(CLOSE_S)
