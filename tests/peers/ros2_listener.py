"""A node of ROS 2's own: ``python ros2_listener.py NODE CAMERA SECONDS`` prints, as JSON, the last messages of each
topic that the service publishes. It runs in a Python that has rclpy, and has nothing of ours.
"""

from __future__ import annotations

import base64
import json
import sys
import time
from functools import partial
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from std_msgs.msg import Float32MultiArray, Header, String


def picture(message: Any) -> dict[str, Any]:
    head = {name: getattr(message, name) for name in ("height", "width", "encoding", "step")}
    return {**head, **header(message.header), "data": base64.b64encode(bytes(message.data)).decode()}


def header(message: Any) -> dict[str, Any]:
    return {"frame_id": message.frame_id, "at": message.stamp.sec + message.stamp.nanosec / 1e9}


READERS = {
    "overlay": (Image, picture),
    "mask": (Image, picture),
    "shares": (Float32MultiArray, lambda told: {"labels": told.layout.dim[0].label, "data": list(told.data)}),
    "result": (String, lambda told: json.loads(told.data)),
    "damaged": (Header, header),
}


def diagnosed(message: Any) -> dict[str, Any]:
    return {each.name: [each.level[0], each.message] for each in message.status}


def main(name: str, camera: str, seconds: str) -> None:
    rclpy.init()
    node = rclpy.create_node("listener")
    found: dict[str, list[Any]] = {}
    newest = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE)

    def keep(topic: str, read: Any, message: Any) -> None:
        found.setdefault(topic, []).append(read(message))

    for topic, (kind, read) in READERS.items():
        node.create_subscription(kind, f"/{name}/{camera}/{topic}", partial(keep, topic, read), newest)
    node.create_subscription(DiagnosticArray, "/diagnostics", partial(keep, "diagnostics", diagnosed), newest)
    wanted = {"overlay", "mask", "shares", "result", "diagnostics"}
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end and not (wanted <= found.keys() and len(found["mask"]) >= 5):
        rclpy.spin_once(node, timeout_sec=0.2)
    types = {topic: kinds for topic, kinds in node.get_topic_names_and_types() if topic.startswith(f"/{name}/")}
    print(json.dumps({"found": {topic: told[-20:] for topic, told in found.items()}, "types": types}))  # noqa: T201
    rclpy.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
