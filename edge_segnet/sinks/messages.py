"""Results as messages that Foxglove, and whatever reads MCAP, shows without any setup; encoded here, sent elsewhere.

/CAMERA/camera, /CAMERA/overlay   foxglove.CompressedImage, JPEG, in the camera's proportions
/CAMERA/mask                      the same, a palette PNG: class colours to look at, class ids to read
/CAMERA/result                    the contract's JSON of a result
/events, /events/snapshot         what rules noticed, and the picture of that moment
/status                           the daemon's state, once a second
/log                              foxglove.Log
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from foxglove.messages import CompressedImage, Log, LogLevel, Timestamp

from edge_segnet.classes import ClassMap
from edge_segnet.containers import grey_as_palette
from edge_segnet.events import Event
from edge_segnet.imaging import blend, colourise, encode, fit_image, unfit_labels
from edge_segnet.sinks import Service, schemas
from edge_segnet.sinks.proportions import seen_size
from edge_segnet.types import Image, Result

Kind = Literal["camera", "mask", "overlay", "result"]
KINDS: Final[tuple[Kind, ...]] = ("camera", "mask", "overlay", "result")
ALPHA: Final = 0.5
_LEVELS: Final = (
    (logging.CRITICAL, LogLevel.Fatal),
    (logging.ERROR, LogLevel.Error),
    (logging.WARNING, LogLevel.Warning),
    (logging.INFO, LogLevel.Info),
)


@dataclass(frozen=True, eq=False)
class Topic:
    """A named stream of messages of one schema. The same name with another schema is another topic."""

    name: str
    encoding: str
    schema_name: str
    schema_encoding: str
    schema: bytes


@dataclass(frozen=True, eq=False)
class Message:
    """Encoded; ``at_ns`` is in nanoseconds since the epoch."""

    topic: Topic
    at_ns: int
    data: bytes


class Messages:
    """Makes messages. May be used by several threads."""

    def __init__(self, service: Service, quality: int) -> None:
        """``quality``: of JPEG."""
        self._service, self._quality = service, quality
        self._topics: dict[tuple[str, ClassMap | None], Topic] = {}
        self._makers: dict[Kind, Callable[[Result, ClassMap], bytes]] = {
            "camera": self._camera,
            "mask": self._mask,
            "overlay": self._overlay,
            "result": lambda result, _classes: _json(service.document(result)),
        }

    def topic(self, camera: str, kind: Kind) -> Topic | None:
        """The topic of a camera; None while there is no model."""
        classes = self._service.classes
        if classes is None:
            return None
        name = f"/{camera}/{kind}"
        if kind == "result":
            return self._known(name, classes, lambda: _json_topic(name, schemas.result(classes)))
        return self._known(name, None, lambda: _protobuf_topic(name, CompressedImage))

    def of(self, result: Result, kind: Kind) -> Message | None:
        """One view of a result; None: it is an earlier model's, right after a reload."""
        classes = self._service.classes
        topic = self.topic(result.frame.camera, kind)
        if classes is None or topic is None or len(classes) + 1 != len(result.segmentation.counts):
            return None
        return Message(topic, int(result.frame.captured_at * 1e9), self._makers[kind](result, classes))

    def status(self) -> Message:
        """The daemon's state, as of now."""
        topic = self._known("/status", None, lambda: _json_topic("/status", schemas.STATUS))
        return Message(topic, time.time_ns(), _json(self._service.status()))

    def event(self, event: Event) -> list[Message]:
        """An event, with its picture if there is one."""
        at_ns = int(datetime.fromisoformat(event.at.replace("Z", "+00:00")).timestamp() * 1e9)
        topic = self._known("/events", None, lambda: _json_topic("/events", schemas.EVENT))
        made = [Message(topic, at_ns, _json(event.to_document()))]
        picture = None if event.snapshot is None else self._service.events.snapshot(event.snapshot)
        if picture is not None:
            name = "/events/snapshot"
            topic = self._known(name, None, lambda: _protobuf_topic(name, CompressedImage))
            made.append(Message(topic, at_ns, _image(picture, "jpeg", event.camera, at_ns)))
        return made

    def log(self, record: logging.LogRecord) -> Message:
        """A log line."""
        topic = self._known("/log", None, lambda: _protobuf_topic("/log", Log))
        at_ns = int(record.created * 1e9)
        level = next((level for bound, level in _LEVELS if record.levelno >= bound), LogLevel.Debug)
        text = record.getMessage()
        line = Log(
            timestamp=_timestamp(at_ns),
            level=level,
            message=text,
            name=record.name,
            file=record.module,
            line=record.lineno,
        )
        return Message(topic, at_ns, line.encode())

    def _known(self, name: str, classes: ClassMap | None, make: Callable[[], Topic]) -> Topic:
        key = (name, classes)
        found = self._topics.get(key)
        return found if found is not None else self._topics.setdefault(key, make())

    def _camera(self, result: Result, _classes: ClassMap) -> bytes:
        return self._jpeg(result, result.frame.image)

    def _overlay(self, result: Result, classes: ClassMap) -> bytes:
        colours = colourise(result.segmentation.labels, classes.lut_bgr)
        return self._jpeg(result, blend(result.frame.image, colours, ALPHA))

    def _jpeg(self, result: Result, image: Image) -> bytes:
        data = encode(fit_image(image, seen_size(result, self._service.fit)), ".jpg", self._quality)
        return _image(data, "jpeg", result.frame.camera, int(result.frame.captured_at * 1e9))

    def _mask(self, result: Result, classes: ClassMap) -> bytes:
        labels = unfit_labels(result.segmentation.labels, seen_size(result, self._service.fit), classes.void)
        data = grey_as_palette(encode(labels, ".png"), _palette(classes))
        return _image(data, "png", result.frame.camera, int(result.frame.captured_at * 1e9))


def _palette(classes: ClassMap) -> bytes:
    return classes.lut_bgr[:, ::-1].tobytes()


def _image(data: bytes, form: str, camera: str, at_ns: int) -> bytes:
    return CompressedImage(timestamp=_timestamp(at_ns), frame_id=camera, data=data, format=form).encode()


def _timestamp(at_ns: int) -> Timestamp:
    return Timestamp(at_ns // 1_000_000_000, at_ns % 1_000_000_000)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _protobuf_topic(name: str, kind: Any) -> Topic:
    schema = kind.get_schema()
    return Topic(name, "protobuf", schema.name, schema.encoding, schema.data)


def _json_topic(name: str, schema: dict[str, Any]) -> Topic:
    return Topic(name, "json", schema["title"], "jsonschema", _json(schema))
