"""What stands in our messages."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from edge_segnet.core.documents import to_document
from edge_segnet.core.types import Result, View
from edge_segnet.pictures.files import encode
from edge_segnet.scene.events import Event, utc
from edge_segnet.settings.messages import MqttConfig
from edge_segnet.sinks import Service
from edge_segnet.sinks.drawing import draw
from edge_segnet.sinks.mqtt.account import identity
from edge_segnet.sinks.mqtt.discovery import Device, discovery
from edge_segnet.sinks.mqtt.protocol import Message

EXPIRY_S: Final = 10
"""A broker need not keep older results for a receiver that is away."""
LEFT_OUT: Final = frozenset({"sinks"})
"""Of the status: nobody needs it twice, and it changes all the time."""


class Messages:
    """Makes them."""

    def __init__(self, config: MqttConfig, service: Service, client_id: str) -> None:
        self._config, self._service, self._identity = config, service, identity(client_id)

    def topic(self, name: str) -> str:
        """``PREFIX/name``."""
        return f"{self._config.prefix}/{name}"

    def gone(self, why: str) -> Message:
        """The status of a service that isn't there."""
        return self._status({"online": False, "state": "offline", "message": why})

    def status(self, told: Mapping[str, Any]) -> Message:
        """The daemon's status, ``told`` by ``Service.status``."""
        kept = {key: value for key, value in told.items() if key not in LEFT_OUT}
        return self._status({"online": True, "at": utc(time.time()), **kept})

    def _status(self, document: Mapping[str, Any]) -> Message:
        return Message(self.topic("status"), _json(document), self._config.qos.status, retain=True)

    def event(self, event: Event) -> Message:
        """Of a rule."""
        return Message(self.topic("event"), _json(event.to_document()), self._config.qos.event)

    def result(self, result: Result) -> Message:
        """The contract's JSON; cameras share the topic."""
        document = _json(to_document(result))
        return Message(self.topic("result"), document, self._config.qos.result, expiry_s=EXPIRY_S)

    def frame(self, result: Result) -> Message:
        """A JPEG; what JSON would say stands in the user properties."""
        settings, frame = self._config.frame, result.frame
        assert settings is not None
        picture = encode(draw(settings.kind, result), ".jpg", settings.quality)
        facts = {
            "camera": frame.camera,
            "seq": str(frame.seq),
            "captured_at": utc(frame.captured_at),
            "kind": settings.kind,
            "synthetic": str(frame.synthetic).lower(),
        }
        topic = self.topic(self._frame_name(frame.camera))
        return Message(topic, picture, self._config.qos.frame, False, EXPIRY_S, "image/jpeg", tuple(facts.items()))

    def _frame_name(self, camera: str) -> str:
        """A JPEG does not say whose it is."""
        return f"frame/{camera}" if len(self._service.cameras) > 1 else "frame"

    def discovery(self, view: View, told: Mapping[str, Any]) -> Message | None:
        """For Home Assistant; None: it is not wanted."""
        settings = self._config.home_assistant
        if settings is None:
            return None
        prefix, cameras = self._config.prefix, list(self._service.cameras)
        pictures = {name: self.topic(self._frame_name(name)) for name in cameras} if self._config.frame else {}
        device = Device(prefix, self._identity, view, cameras, pictures)
        topic, document = discovery(settings, device, told)
        return Message(topic, _json(document), 1, retain=True)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
