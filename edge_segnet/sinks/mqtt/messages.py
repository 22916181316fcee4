"""What stands in our messages."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from edge_segnet.core.documents import SCHEMA, StatusDocument, result_document, utc
from edge_segnet.core.documents.compat import result_0_1
from edge_segnet.core.files import state_folder
from edge_segnet.core.types import Result, View
from edge_segnet.pictures.files import encode
from edge_segnet.pictures.overlay import RenderStyle, render
from edge_segnet.scene.events import Event
from edge_segnet.sinks import Service
from edge_segnet.sinks.mqtt.account import identity
from edge_segnet.sinks.mqtt.announced import Announced
from edge_segnet.sinks.mqtt.discovery import Device, discovery, topic_of
from edge_segnet.sinks.mqtt.protocol import Message
from edge_segnet.sinks.mqtt.settings import MqttConfig

EXPIRY_S: Final = 10
"""A broker need not keep older results for a receiver that is away."""


class Messages:
    """Makes them."""

    def __init__(self, config: MqttConfig, service: Service, client_id: str) -> None:
        self._config, self._service, self._identity = config, service, identity(client_id)
        self._announced = Announced(state_folder() / "mqtt-home-assistant.json")

    def topic(self, name: str) -> str:
        """``PREFIX/name``."""
        return f"{self._config.prefix}/{name}"

    def gone(self, why: str) -> Message:
        """The status of a service that isn't there."""
        return self._status({"schema": SCHEMA, "online": False, "state": "offline", "message": why})

    def status(self, told: StatusDocument) -> Message:
        """The daemon's status, ``told`` by ``Service.status``."""
        return self._status({"online": True, "at": utc(time.time()), **told.to_dict()})

    def _status(self, document: Mapping[str, Any]) -> Message:
        return Message(self.topic("status"), _json(document), self._config.qos.status, retain=True)

    def event(self, event: Event) -> Message:
        """Of a rule."""
        return Message(self.topic("event"), event.document().to_json(), self._config.qos.event)

    def result(self, result: Result) -> Message:
        """The contract's JSON."""
        return self._result(f"result/{result.frame.camera}", result_document(result).to_json())

    def result_0_1(self, result: Result) -> Message:
        """As edge-segnet 0.1 had it: cameras shared the topic."""
        return self._result("result", result_0_1(result))

    def _result(self, name: str, document: bytes) -> Message:
        return Message(self.topic(name), document, self._config.qos.result, expiry_s=EXPIRY_S)

    def frame(self, result: Result) -> Message:
        """A JPEG; what JSON would say stands in the user properties."""
        return self._frame(result, f"frame/{result.frame.camera}")

    def frame_0_1(self, result: Result) -> Message | None:
        """As edge-segnet 0.1 had it: a camera that is alone needs no name."""
        return self._frame(result, "frame") if len(self._service.cameras) == 1 else None

    def _frame(self, result: Result, name: str) -> Message:
        settings, frame = self._config.frame, result.frame
        assert settings is not None
        picture = encode(render(result, RenderStyle(settings.kind)), ".jpg", settings.quality)
        facts = {
            "camera": frame.camera,
            "seq": str(frame.seq),
            "captured_at": utc(frame.captured_at),
            "kind": settings.kind,
            "synthetic": str(frame.synthetic).lower(),
            "damaged": str(not frame.whole).lower(),
        }
        told = tuple(facts.items())
        return Message(self.topic(name), picture, self._config.qos.frame, False, EXPIRY_S, "image/jpeg", told)

    def discovery(self, view: View, told: StatusDocument) -> list[Message]:
        """For Home Assistant: what there is, and what there was and is no more."""
        settings, prefix, cameras = self._config.home_assistant, self._config.prefix, list(self._service.cameras)
        topic = None if settings is None else topic_of(settings, self._identity)
        messages = [Message(other, b"", 1, retain=True) for other in self._announced.others(topic)]
        if settings is None or topic is None:
            return messages
        pictures = {name: self.topic(f"frame/{name}") for name in cameras} if self._config.frame else {}
        device = Device(prefix, self._identity, view, cameras, pictures, sorted(told.sinks))
        document = discovery(settings, device, told)
        document["components"] = self._announced.complete(topic, document["components"])
        return [*messages, Message(topic, _json(document), 1, retain=True)]

    def discovered(self, message: Message) -> None:
        """It was sent: a device that was emptied needs that once."""
        if not message.payload:
            self._announced.forget(message.topic)


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
