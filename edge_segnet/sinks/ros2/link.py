"""What this program needs of ROS 2, and rclpy, which gives it. The only importer of rclpy."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

from edge_segnet.core.errors import OutputError, SettingsError
from edge_segnet.sinks.ros2.settings import Ros2Config


class Publisher(Protocol):
    """A topic; rclpy's own publishers are like this."""

    def publish(self, msg: Any) -> None: ...

    def get_subscription_count(self) -> int: ...


class Link(Protocol):
    """A node, once it is opened."""

    def open(self) -> None:
        """Join ROS; raises OutputError: it can't be done now."""
        ...

    def kind(self, name: str) -> Any:
        """The class of a message, ``sensor_msgs/Image``; its constructor takes the fields by name."""
        ...

    def publisher(self, kind: str, topic: str, *, latched: bool = False) -> Publisher:
        """A topic of the newest message; ``latched``: who comes later gets the last one, too."""
        ...

    def remove(self, publishers: Sequence[Publisher]) -> None:
        """Take topics back."""
        ...

    def close(self) -> None: ...


class RclpyLink:
    """A node with a context of its own. Nobody spins it: it only publishes."""

    def __init__(self, config: Ros2Config) -> None:
        """Raises SettingsError: there is no ROS 2 in this environment."""
        self._config = config
        self._context: Any = None
        self._node: Any = None
        try:
            self._rclpy: Any = importlib.import_module("rclpy")
            self._qos: Any = importlib.import_module("rclpy.qos")
            self._signals: Any = importlib.import_module("rclpy.signals")
        except ImportError as error:
            what = f"rclpy can't be imported ({error})"
            hint = "source /opt/ros/DISTRO/setup.bash before the start, with the same Python as ROS has"
            raise SettingsError(what, hint=hint, key=("ros2",)) from error

    def open(self) -> None:
        """As the protocol."""
        config = self._config
        try:
            self._context = self._rclpy.Context()
            # Signals end the daemon, not ROS.
            self._rclpy.init(context=self._context, signal_handler_options=self._signals.SignalHandlerOptions.NO)
            self._node = self._rclpy.create_node(
                config.node,
                context=self._context,
                namespace=config.namespace or None,
                start_parameter_services=False,
                use_global_arguments=False,
            )
        except RuntimeError as error:  # rclpy's own errors are its children
            raise OutputError(f"the node can't start ({' '.join(str(error).split())})") from error

    def kind(self, name: str) -> Any:
        """As the protocol; raises SettingsError when the package is not installed."""
        package, _, message = name.partition("/")
        try:
            return getattr(importlib.import_module(f"{package}.msg"), message)
        except (ImportError, AttributeError) as error:
            hint = f"apt install ros-$ROS_DISTRO-{package.replace('_', '-')}"
            raise SettingsError(f"there is no message {name} ({error})", hint=hint, key=("ros2",)) from error

    def publisher(self, kind: str, topic: str, *, latched: bool = False) -> Publisher:
        """As the protocol. Reliable, so that it suits every subscriber; depth 1, so that old frames don't queue."""
        durability = self._qos.DurabilityPolicy
        profile = self._qos.QoSProfile(
            depth=1,
            reliability=self._qos.ReliabilityPolicy.RELIABLE,
            durability=durability.TRANSIENT_LOCAL if latched else durability.VOLATILE,
        )
        made: Publisher = self._node.create_publisher(self.kind(kind), topic, profile)
        return made

    def remove(self, publishers: Sequence[Publisher]) -> None:
        """As the protocol."""
        for publisher in publishers:
            self._node.destroy_publisher(publisher)

    def close(self) -> None:
        """End the node and its context."""
        if self._node is not None:
            self._node.destroy_node()
            self._rclpy.shutdown(context=self._context)
