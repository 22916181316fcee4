"""Results as ROS 2 messages. Which classes they are of is the link's business."""

from __future__ import annotations

import array
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.documents import CameraDocument, Document, SinkDocument, StatusDocument
from edge_segnet.core.stats import shares
from edge_segnet.core.types import Result
from edge_segnet.pictures.overlay import Extent, RenderStyle, render

KINDS: Final = (
    *("sensor_msgs/Image", "std_msgs/Header", "builtin_interfaces/Time", "vision_msgs/LabelInfo"),
    *("vision_msgs/VisionClass", "diagnostic_msgs/DiagnosticArray", "diagnostic_msgs/DiagnosticStatus"),
    *("diagnostic_msgs/KeyValue", "std_msgs/Float32MultiArray", "std_msgs/MultiArrayLayout"),
    *("std_msgs/MultiArrayDimension", "std_msgs/String"),
)
"""Every message that a node publishes."""
WORKING: Final = ("running", "static", "ended")
WAITING: Final = ("starting",)


def ros_name(camera: str) -> str:
    """A camera's name as ROS allows it: no hyphens, and a letter first."""
    name = camera.replace("-", "_")
    return name if name[0].isalpha() else f"camera_{name}"


def optical_frame(camera: str) -> str:
    """The frame of coordinates that a camera looks from, where nobody named another."""
    return f"{camera}_optical_frame"


class Kinds(Protocol):
    """Where the classes of messages come from."""

    def kind(self, name: str) -> Any: ...


class Maker:
    """Makes messages of one ROS."""

    def __init__(self, kinds: Kinds, names: Sequence[str] = KINDS) -> None:
        """``names``: of what will be made. Raises UsageError: a package of messages is not installed."""
        self._kinds = {name: kinds.kind(name) for name in names}

    def _make(self, name: str, **fields: Any) -> Any:
        return self._kinds[name](**fields)

    def header(self, at_s: float, frame_id: str = "") -> Any:
        """``at_s``: seconds since the epoch."""
        nanoseconds = int(at_s * 1e9)
        stamp = self._make(
            "builtin_interfaces/Time", sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000
        )
        return self._make("std_msgs/Header", stamp=stamp, frame_id=frame_id)

    def overlay(self, result: Result, size: Extent, frame_id: str) -> Any:
        """The colours over the picture: sensor_msgs/Image bgr8."""
        return self._image(render(result, RenderStyle("overlay", size)), "bgr8", result, frame_id)

    def mask(self, result: Result, size: Extent, frame_id: str) -> Any:
        """Class ids: sensor_msgs/Image mono8."""
        return self._image(render(result, RenderStyle("labels", size)), "mono8", result, frame_id)

    def _image(self, image: NDArray[np.uint8], encoding: str, result: Result, frame_id: str) -> Any:
        height, width = image.shape[:2]
        # rclpy takes an array as it is, and looks at every single byte of anything else.
        data = array.array("B", np.ascontiguousarray(image).tobytes())
        return self._make(
            "sensor_msgs/Image",
            header=self.header(result.frame.captured_at, frame_id),
            height=height,
            width=width,
            encoding=encoding,
            is_bigendian=0,
            step=len(data) // height,
            data=data,
        )

    def labels(self, classes: ClassMap, at_s: float, frame_id: str) -> Any:
        """Which id means which class, void included: vision_msgs/LabelInfo."""
        names = (*classes.names, "void")
        entries = [
            self._make("vision_msgs/VisionClass", class_id=number, class_name=n) for number, n in enumerate(names)
        ]
        return self._make("vision_msgs/LabelInfo", header=self.header(at_s, frame_id), class_map=entries, threshold=0.0)

    def shares(self, result: Result) -> Any:
        """Share of every class, in the order of LabelInfo: std_msgs/Float32MultiArray."""
        values = [float(share) for share in shares(result.segmentation.counts)]
        names = ",".join((*result.view.classes.names, "void"))
        row = self._make("std_msgs/MultiArrayDimension", label=names, size=len(values), stride=len(values))
        layout = self._make("std_msgs/MultiArrayLayout", dim=[row], data_offset=0)
        return self._make("std_msgs/Float32MultiArray", layout=layout, data=array.array("f", values))

    def text(self, document: Document) -> Any:
        """A document as JSON: std_msgs/String."""
        return self._make("std_msgs/String", data=document.to_json().decode())

    def diagnostics(self, status: StatusDocument, node: str, at_s: float) -> Any:
        """The service, every camera and every sink: diagnostic_msgs/DiagnosticArray."""
        entries = [self._service(status, node)]
        entries += [self._camera(node, name, told) for name, told in status.cameras.items()]
        entries += [self._sink(node, name, told) for name, told in status.sinks.items()]
        return self._make("diagnostic_msgs/DiagnosticArray", header=self.header(at_s), status=entries)

    def _status(self, level: str, name: str, message: str, values: Mapping[str, Any]) -> Any:
        kind = self._kinds["diagnostic_msgs/DiagnosticStatus"]
        pairs = [self._make("diagnostic_msgs/KeyValue", key=key, value=_word(value)) for key, value in values.items()]
        return kind(level=getattr(kind, level), name=name, message=message, hardware_id="edge-segnet", values=pairs)

    def _service(self, status: StatusDocument, node: str) -> Any:
        board = status.board
        level = "OK" if status.healthy and status.ready else "ERROR"
        level = "WARN" if level == "OK" and board is not None and board.throttled else level
        values = status.model_dump(include={"model", "backend", "network_size", "uptime_s", "version"})
        hottest = max((each.celsius for each in board.temperatures), default=None) if board is not None else None
        throttled = None if board is None else board.throttled
        return self._status(
            level, node, status.message or status.state, {**values, "throttled": throttled, "celsius": hottest}
        )

    def _camera(self, node: str, name: str, told: CameraDocument) -> Any:
        level = "OK" if told.state in WORKING else "WARN" if told.state in WAITING else "ERROR"
        message = f"{told.state}: {told.message}" if told.message else told.state
        keys = {"frames_per_second", "frames", "stale", "reconnects", "source_size", "synthetic"}
        ages = {} if told.age_ms is None else {f"age_{share}_ms": age for share, age in told.age_ms.to_dict().items()}
        drops = {f"dropped_{reason}": count for reason, count in told.dropped.to_dict().items()}
        return self._status(
            level, f"{node}: camera {name}", message, {**told.model_dump(include=keys), **drops, **ages}
        )

    def _sink(self, node: str, name: str, told: SinkDocument) -> Any:
        values = told.model_dump(include={"published", "dropped", "queue", "last_error"})
        level = "OK" if told.error is None else "ERROR"
        return self._status(level, f"{node}: sink {name}", told.error or told.state, values)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
