"""Results as messages that Foxglove, and whatever reads MCAP, shows without any setup.

    /CAMERA/image, /CAMERA/overlay    foxglove.CompressedImage, JPEG, in the camera's proportions
    /CAMERA/mask                      the same, a palette PNG: class colours to look at, class ids to read
    /CAMERA/regions                   foxglove.ImageAnnotations: outlines for all three, red while a rule is on
    /CAMERA/result                    the contract's JSON of a result
    /events, /events/snapshot         what rules noticed, and the picture of that moment
    /status                           the daemon's state, once a second
    /log                              foxglove.Log

Encoded here, sent and written elsewhere.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Final, Literal

from foxglove.messages import (
    Color,
    CompressedImage,
    ImageAnnotations,
    Log,
    LogLevel,
    Point2,
    PointsAnnotation,
    PointsAnnotationType,
    TextAnnotation,
    Timestamp,
)

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.documents import EventDocument, StatusDocument, result_document
from edge_segnet.core.documents.schema import result_schema, viewer_schema
from edge_segnet.core.types import RegionShape, Result
from edge_segnet.pictures.containers import grey_as_palette
from edge_segnet.pictures.files import encode
from edge_segnet.pictures.overlay import RenderStyle, render, shown_size
from edge_segnet.scene.events import Event
from edge_segnet.settings.sections import Picture
from edge_segnet.sinks import Service

Kind = Literal["camera", "mask", "overlay", "regions", "result"]
SDK_LOGGERS: Final = ("foxglove", "tungstenite", "tokio_tungstenite", "mio")
"""What the SDK says of itself. It must not be sent through the SDK again."""
KINDS: Final[tuple[Kind, ...]] = ("camera", "mask", "overlay", "regions", "result")
WORDS: Final = {kind: "image" if kind == "camera" else kind for kind in KINDS}
"""The last words of cameras' topics."""
CALM, ALARMED = Color(r=1.0, g=0.75, b=0.25, a=1.0), Color(r=1.0, g=0.2, b=0.2, a=1.0)
LETTERS: Final = 12.0
for _name in SDK_LOGGERS:
    logging.getLogger(_name).setLevel(logging.CRITICAL)  # else every client could fill the log
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
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Of the channel, in files."""


@dataclass(frozen=True, eq=False)
class Message:
    """Encoded; ``at_ns`` is in nanoseconds since the epoch."""

    topic: Topic
    at_ns: int
    data: bytes


def _protobuf_topic(name: str, kind: Any) -> Topic:
    schema = kind.get_schema()
    return Topic(name, "protobuf", schema.name, schema.encoding, schema.data)


def _json_topic(name: str, schema: dict[str, Any]) -> Topic:
    return Topic(name, "json", schema["title"], "jsonschema", json.dumps(schema, separators=(",", ":")).encode())


COMMON: Final = {
    topic.name: topic
    for topic in (
        _json_topic("/status", viewer_schema(StatusDocument, "edge_segnet.Status")),
        _json_topic("/events", viewer_schema(EventDocument, "edge_segnet.Event")),
        _protobuf_topic("/events/snapshot", CompressedImage),
        _protobuf_topic("/log", Log),
    )
}
"""Topics that are there whatever cameras there are."""


class LogTap(logging.Handler):
    """Gives log lines to ``send`` too."""

    def __init__(self, send: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Hand the line on."""
        if record.name.partition(".")[0] in SDK_LOGGERS:
            return
        try:
            self._send(record)
        except Exception:  # noqa: BLE001 - a line that can't be sent still goes to the others
            self.handleError(record)


class Messages:
    """Makes messages. May be used by several threads."""

    def __init__(self, service: Service, quality: int) -> None:
        """``quality``: of JPEG."""
        self._service, self._quality = service, quality
        self._topics: dict[tuple[str, ClassMap | None], Topic] = {}
        self._makers: dict[Kind, Callable[[Result], bytes]] = {
            "camera": partial(self._jpeg, "camera"),
            "mask": self._mask,
            "overlay": partial(self._jpeg, "overlay"),
            "regions": self._regions,
            "result": lambda result: result_document(result).to_json(),
        }

    def topic(self, result: Result, kind: Kind) -> Topic | None:
        """The topic of one view of a camera; None where no region sees it."""
        classes, name = result.view.classes, f"/{result.frame.camera}/{WORDS[kind]}"
        if kind == "regions" and not _seen(result):
            return None
        if kind == "regions":
            return self._known(name, None, lambda: _protobuf_topic(name, ImageAnnotations))
        if kind == "result":
            return self._known(name, classes, lambda: _json_topic(name, result_schema(classes)))
        return self._known(name, None, lambda: _protobuf_topic(name, CompressedImage))

    def of(self, result: Result, kind: Kind) -> Message | None:
        """One view of a result; None: there is none."""
        topic = self.topic(result, kind)
        return (
            None if topic is None else Message(topic, int(result.frame.captured_at * 1e9), self._makers[kind](result))
        )

    def status(self) -> Message:
        """The daemon's state, as of now."""
        return Message(COMMON["/status"], time.time_ns(), self._service.status().to_json())

    def event(self, event: Event) -> list[Message]:
        """An event, with its picture if there is one."""
        at_ns = int(datetime.fromisoformat(event.at.replace("Z", "+00:00")).timestamp() * 1e9)
        made = [Message(COMMON["/events"], at_ns, event.document().to_json())]
        picture = None if event.snapshot is None else self._service.events.snapshot(event.snapshot)
        if picture is not None:
            made.append(Message(COMMON["/events/snapshot"], at_ns, _image(picture, "jpeg", event.camera, at_ns)))
        return made

    def log(self, record: logging.LogRecord) -> Message:
        """A log line."""
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
        return Message(COMMON["/log"], at_ns, line.encode())

    def _known(self, name: str, classes: ClassMap | None, make: Callable[[], Topic]) -> Topic:
        key = (name, classes)
        found = self._topics.get(key)
        return found if found is not None else self._topics.setdefault(key, make())

    def _jpeg(self, kind: Picture, result: Result) -> bytes:
        data = encode(render(result, RenderStyle(kind)), ".jpg", self._quality)
        return _image(data, "jpeg", result.frame.camera, int(result.frame.captured_at * 1e9))

    def _regions(self, result: Result) -> bytes:
        size = shown_size(result)
        alarmed = {rule.region for rule in result.view.rules if rule.name in result.alarms}
        at = _timestamp(int(result.frame.captured_at * 1e9))
        lines, names = [], []
        for name, region in _seen(result).items():
            colour = ALARMED if name in alarmed else CALM
            points = [Point2(x=x * size[0], y=y * size[1]) for x, y in region.polygon]
            loop = PointsAnnotationType.LineLoop
            lines.append(PointsAnnotation(timestamp=at, type=loop, points=points, outline_color=colour, thickness=2.0))
            names.append(
                TextAnnotation(timestamp=at, position=points[0], text=name, font_size=LETTERS, text_color=colour)
            )
        return ImageAnnotations(timestamp=at, points=lines, texts=names).encode()

    def _mask(self, result: Result) -> bytes:
        labels = render(result, RenderStyle("labels"))
        data = grey_as_palette(encode(labels, ".png"), _palette(result.view.classes))
        return _image(data, "png", result.frame.camera, int(result.frame.captured_at * 1e9))


def _seen(result: Result) -> dict[str, RegionShape]:
    return {name: region for name, region in result.view.regions.items() if region.sees(result.frame.camera)}


def _palette(classes: ClassMap) -> bytes:
    return classes.lut_bgr[:, ::-1].tobytes()


def _image(data: bytes, form: str, camera: str, at_ns: int) -> bytes:
    return CompressedImage(timestamp=_timestamp(at_ns), frame_id=camera, data=data, format=form).encode()


def _timestamp(at_ns: int) -> Timestamp:
    return Timestamp(at_ns // 1_000_000_000, at_ns % 1_000_000_000)
