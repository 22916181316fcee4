"""The ROS 2 node, for ``sinks.registry``."""

from __future__ import annotations

from typing import Final

from edge_segnet.sinks.ros2.settings import Ros2Config
from edge_segnet.sinks.spec import SinkSpec

SPECS: Final = (
    SinkSpec(
        "ros2",
        Ros2Config,
        "edge_segnet.sinks.ros2.sink:Ros2Sink",
        modules=("rclpy",),
        install="start it from a shell, or unit, that has sourced /opt/ros/DISTRIBUTION/setup.bash",
    ),
)
