"""The ROS 2 node, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.ros2.settings import Ros2Config
from edge_segnet.sinks.spec import SinkSpec, SinkStatus


class Ros2Status(SinkStatus, total=False):
    """What ``/api/status`` shows of it."""

    node: str
    watched: dict[str, list[str]]
    """Camera -> topics that somebody has subscribed to."""
    sent: int
    without: str | None
    """Which topic there is not, and why."""


SPECS: Final = (
    SinkSpec(
        "ros2",
        Ros2Config,
        "edge_segnet.sinks.ros2.sink:Ros2Sink",
        Ros2Status,
        modules=("rclpy",),
        install="start it from a shell, or unit, that has sourced /opt/ros/DISTRIBUTION/setup.bash",
    ),
)
