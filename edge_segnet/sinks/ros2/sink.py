"""Results as ROS 2 topics, below the node's name. Pictures are made only while somebody subscribes.

    ~/CAMERA/overlay      sensor_msgs/Image bgr8          ~/CAMERA/shares   std_msgs/Float32MultiArray
    ~/CAMERA/mask         sensor_msgs/Image mono8         ~/CAMERA/result   std_msgs/String, JSON
    ~/CAMERA/label_info   vision_msgs/LabelInfo, latched  ~/CAMERA/damaged  std_msgs/Header
    ~/events              std_msgs/String, JSON           /diagnostics      diagnostic_msgs/DiagnosticArray, each second

A picture that is not whole (``on_damage: flag``) has a header in ``damaged``, an overlay with its mark and a result
that says so, but no mask and no shares: they have no room for a mark, and a costmap would believe them.

``rclpy`` comes with ROS and is imported only when the settings have a section ros2.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from edge_segnet.core import threads
from edge_segnet.core.classes import ClassMap
from edge_segnet.core.documents import result_document
from edge_segnet.core.errors import SettingsError
from edge_segnet.core.pace import RateLimiter
from edge_segnet.core.types import Result
from edge_segnet.pictures.overlay import Extent
from edge_segnet.sinks import Service
from edge_segnet.sinks.ros2.link import Link, Publisher, RclpyLink
from edge_segnet.sinks.ros2.settings import Ros2Config
from edge_segnet.sinks.ros2.spec import Ros2Status
from edge_segnet.sinks.rosmsg.making import KINDS, Maker, optical_frame, ros_name

logger = logging.getLogger(__name__)
LABELLING: Final = ("vision_msgs/LabelInfo", "vision_msgs/VisionClass")
"""Of a package that a small ROS is without."""
UNLABELLED: Final = tuple(kind for kind in KINDS if kind not in LABELLING)
STATUS_S, TURN_S = 1.0, 0.1
CLOSE_S: Final = 0.5
"""Of the 1.5 s that all sinks have at the end, side by side."""


@dataclass
class _Topics:
    """One camera's."""

    overlay: Publisher
    mask: Publisher
    labels: Publisher | None
    """None: this ROS has no vision_msgs."""
    shares: Publisher
    result: Publisher
    damaged: Publisher
    told: ClassMap | None = None
    """The class map that was published last."""


class Ros2Sink:
    """A sink that is a ROS 2 node."""

    def __init__(self, config: Ros2Config, service: Service, link: Callable[[Ros2Config], Link] = RclpyLink) -> None:
        """Raises UsageError: there is no ROS 2 here, or a package of messages is missing, but for vision_msgs, without
        which only ``label_info`` is missing. ``link`` gives the node, which begins with ``start``.
        """
        self._config, self._service = config, service
        self._link = link(config)
        self._without = _missing(self._link)
        self._maker = Maker(self._link, KINDS if self._without is None else UNLABELLED)
        self._size: Extent = "source" if config.size == "camera" else "network"
        self._turns = RateLimiter(config.rate)
        self._topics: dict[str, _Topics] = {}
        self._common: tuple[Publisher, Publisher] | None = None
        """Events and diagnostics, once the node is there."""
        self._cursor = service.events.last_id
        self._error: str | None = None
        self._sent = 0
        self._due_s = 0.0
        self._closing = threading.Event()
        self._thread = threads.Thread(self._tell, "ros2")

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def publish(self, result: Result) -> None:
        """Publish what somebody has subscribed to."""
        classes, camera = result.view.classes, result.frame.camera
        if self._common is None or not self._turns.mine(camera):
            return
        self._forget_cameras()
        if camera not in self._service.cameras:
            return  # a reload has just taken it away
        topics = self._topics.get(camera) or self._advertised(camera)
        frame_id = self._config.frame_ids.get(camera, optical_frame(camera))
        if topics.told is not classes and topics.labels is not None:
            topics.labels.publish(self._maker.labels(classes, result.frame.captured_at, frame_id))
            topics.told = classes
        size, make = self._size, self._maker
        if result.frame.whole:
            self._send(topics.mask, lambda: make.mask(result, size, frame_id))
            self._send(topics.shares, lambda: make.shares(result))
        else:
            self._send(topics.damaged, lambda: make.header(result.frame.captured_at, frame_id))
        self._send(topics.overlay, lambda: make.overlay(result, size, frame_id))
        self._send(topics.result, lambda: make.text(result_document(result)))

    def _send(self, publisher: Publisher, make: Callable[[], Any]) -> None:
        if publisher.get_subscription_count() > 0:
            publisher.publish(make())
            self._sent += 1

    def _advertised(self, camera: str) -> _Topics:
        below, publisher = f"~/{ros_name(camera)}", self._link.publisher
        labels = None
        if self._without is None:
            labels = publisher("vision_msgs/LabelInfo", f"{below}/label_info", latched=True)
        made = self._topics[camera] = _Topics(
            publisher("sensor_msgs/Image", f"{below}/overlay"),
            publisher("sensor_msgs/Image", f"{below}/mask"),
            labels,
            publisher("std_msgs/Float32MultiArray", f"{below}/shares"),
            publisher("std_msgs/String", f"{below}/result"),
            publisher("std_msgs/Header", f"{below}/damaged"),
        )
        return made

    def _forget_cameras(self) -> None:
        for camera in [name for name in self._topics if name not in self._service.cameras]:
            self._link.remove(list(_publishers(self._topics.pop(camera)).values()))

    def _tell(self) -> None:
        """Events as they come, and diagnostics once a second, also while no camera gives frames."""
        wait_s = 0.0
        while not self._closing.wait(wait_s):
            try:
                self._turn(*(self._common or self._opened()))
            except Exception as error:  # noqa: BLE001 - ROS raises what its middleware raises; the next turn comes
                self._fail(error)
                wait_s = STATUS_S
            else:
                self._error = None
                wait_s = TURN_S

    def _opened(self) -> tuple[Publisher, Publisher]:
        self._link.open()
        events = self._link.publisher("std_msgs/String", "~/events")
        self._common = (events, self._link.publisher("diagnostic_msgs/DiagnosticArray", "/diagnostics"))
        return self._common

    def _turn(self, events: Publisher, diagnostics: Publisher) -> None:
        for event in self._service.events.since(self._cursor):
            events.publish(self._maker.text(event.document()))
            self._cursor = event.id
        if time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + STATUS_S
            diagnostics.publish(self._maker.diagnostics(self._service.status(), self._config.node, time.time()))

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            logger.warning("ros2: can't publish (%s)", error)
        self._error = " ".join(str(error).split()) or type(error).__name__

    def status(self) -> Ros2Status:
        """What ``/api/status`` shows."""
        watched = {name: _subscribed(topics) for name, topics in tuple(self._topics.items())}
        return {
            "state": "failed" if self._error else "waiting" if self._common is None else "publishing",
            "error": self._error,
            "node": f"{self._config.namespace}/{self._config.node}",
            "watched": {name: kinds for name, kinds in watched.items() if kinds},
            "sent": self._sent,
            "without": self._without,
        }

    def close(self) -> None:
        """End the node."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)
        self._link.close()


def _missing(link: Link) -> str | None:
    """Why there will be no ``label_info``; None: there will."""
    try:
        for name in LABELLING:
            link.kind(name)
    except SettingsError as error:
        why = f"no label_info: {error}"
        logger.warning("ros2: %s", why)
        return why
    return None


def _publishers(topics: _Topics) -> dict[str, Publisher]:
    kinds = ("overlay", "mask", "labels", "shares", "result", "damaged")
    found = {kind: getattr(topics, kind) for kind in kinds}
    return {kind: publisher for kind, publisher in found.items() if publisher is not None}


def _subscribed(topics: _Topics) -> list[str]:
    return [kind for kind, publisher in _publishers(topics).items() if publisher.get_subscription_count() > 0]
