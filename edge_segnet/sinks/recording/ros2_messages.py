"""What a ROS 2 bag holds of results: ``recording: {schema: ros2}``.

/CAMERA/image/compressed, /CAMERA/overlay/compressed   sensor_msgs/CompressedImage, JPEG
/CAMERA/mask, /CAMERA/mask_colours/compressed          sensor_msgs/Image mono8, class ids; CompressedImage, PNG
/CAMERA/label_info                                     vision_msgs/LabelInfo, latched, with every mask
/CAMERA/shares, /CAMERA/result                         std_msgs/Float32MultiArray; std_msgs/String, JSON
/events, /events/snapshot/compressed                   std_msgs/String, JSON; sensor_msgs/CompressedImage
/diagnostics, /log                                     diagnostic_msgs/DiagnosticArray; rcl_interfaces/Log
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import numpy as np

from edge_segnet.core.documents import result_document
from edge_segnet.core.types import Result
from edge_segnet.pictures.containers import grey_as_palette
from edge_segnet.pictures.files import encode as encode_picture
from edge_segnet.pictures.overlay import RenderStyle, render
from edge_segnet.scene.events import Event
from edge_segnet.settings.sections import Picture
from edge_segnet.sinks import Service
from edge_segnet.sinks.messages import Message, Topic
from edge_segnet.sinks.rosmsg.making import KINDS, Maker, optical_frame, ros_name
from edge_segnet.sinks.rosmsg.records import Record, Records, definition, encode, full_name

NODE: Final = "edge_segnet"
_ENDLESS: Final = "{sec: 9223372036, nsec: 854775807}"
_QOS: Final = (
    "- {{history: 1, depth: 1, reliability: 1, durability: {durability}, deadline: {endless}, lifespan: {endless}, "
    "liveliness: 1, liveliness_lease_duration: {endless}, avoid_ros_namespace_conventions: false}}\n"
)
"""As rosbag2 notes the publishers' quality of service, in the numbers that every distribution reads: keep the last one,
reliable, without a deadline.
"""
TRANSIENT_LOCAL, VOLATILE = 1, 2
_LEVELS: Final = (
    (logging.CRITICAL, "FATAL"),
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARN"),
    (logging.INFO, "INFO"),
)


class _BagMaker(Maker):
    """Messages that a node does not publish."""

    def compressed(self, data: bytes, form: str, at_s: float, frame_id: str = "") -> Any:
        """``form``: as image_transport writes it."""
        contents = np.frombuffer(data, np.uint8)
        header = self.header(at_s, frame_id)
        return self._make("sensor_msgs/CompressedImage", header=header, format=form, data=contents)

    def log(self, record: logging.LogRecord) -> Any:
        """A line of the log."""
        kind = self._kinds["rcl_interfaces/Log"]
        level = next((name for bound, name in _LEVELS if record.levelno >= bound), "DEBUG")
        return kind(
            stamp=self.header(record.created).fields["stamp"],
            level=getattr(kind, level),
            name=record.name,
            msg=record.getMessage(),
            file=record.module,
            function=record.funcName or "",
            line=record.lineno,
        )


class Ros2Messages:
    """Makes messages. May be used by several threads."""

    def __init__(self, service: Service, images: Sequence[Picture], quality: int) -> None:
        """``quality``: of JPEG."""
        self._service, self._images, self._quality = service, images, quality
        self._maker = _BagMaker(Records(), (*KINDS, "sensor_msgs/CompressedImage", "rcl_interfaces/Log"))
        self._topics: dict[str, Topic] = {}

    def frame(self, result: Result) -> Iterator[Message]:
        """All of one frame."""
        at_s, camera = result.frame.captured_at, result.frame.camera
        for name, message in self._views(result, optical_frame(camera)):
            yield self._message(f"/{ros_name(camera)}/{name}", at_s, message)

    def _views(self, result: Result, frame_id: str) -> Iterator[tuple[str, Record]]:
        make, classes, at_s = self._maker, result.view.classes, result.frame.captured_at
        for kind, topic in (("camera", "image"), ("overlay", "overlay")):
            if kind in self._images:
                picture = encode_picture(render(result, RenderStyle(kind)), ".jpg", self._quality)  # type: ignore[arg-type]
                yield f"{topic}/compressed", make.compressed(picture, "bgr8; jpeg compressed bgr8", at_s, frame_id)
        if "mask" in self._images:
            yield "mask", make.mask(result, "shown", frame_id)
            png = encode_picture(render(result, RenderStyle("labels")), ".png")
            colours = grey_as_palette(png, classes.lut_bgr[:, ::-1].tobytes())
            yield "mask_colours/compressed", make.compressed(colours, "bgr8; png compressed bgr8", at_s, frame_id)
            yield "label_info", make.labels(classes, at_s, frame_id)
        yield "shares", make.shares(result)
        yield "result", make.text(result_document(result))

    def status(self) -> Message:
        """The daemon's state, as of now."""
        now_s = time.time()
        return self._message("/diagnostics", now_s, self._maker.diagnostics(self._service.status(), NODE, now_s))

    def event(self, event: Event) -> list[Message]:
        """An event, with its picture if there is one."""
        at_s = datetime.fromisoformat(event.at.replace("Z", "+00:00")).timestamp()
        made = [self._message("/events", at_s, self._maker.text(event.document()))]
        picture = None if event.snapshot is None else self._service.events.snapshot(event.snapshot)
        if picture is not None:
            told = self._maker.compressed(picture, "bgr8; jpeg compressed bgr8", at_s, optical_frame(event.camera))
            made.append(self._message("/events/snapshot/compressed", at_s, told))
        return made

    def log(self, record: logging.LogRecord) -> Message:
        """A log line."""
        return self._message("/log", record.created, self._maker.log(record))

    def _message(self, name: str, at_s: float, record: Record) -> Message:
        topic = self._topics.get(name) or self._topics.setdefault(name, _topic(name, record.definition))
        return Message(topic, int(at_s * 1e9), encode(record))


def _topic(name: str, kind: str) -> Topic:
    durability = TRANSIENT_LOCAL if kind == "vision_msgs/LabelInfo" else VOLATILE
    qos = _QOS.format(durability=durability, endless=_ENDLESS)
    return Topic(name, "cdr", full_name(kind), "ros2msg", definition(kind), {"offered_qos_profiles": qos})
