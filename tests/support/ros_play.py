"""What ``ros2 bag play`` does, by ROS's own rclpy and middleware: a bag's bytes as they are, offered with the bag's own
quality of service, and read by subscribers with ROS's own types. Run by an interpreter that has rclpy; on standard
input a JSON list of messages: topic, schema, qos (as the bag notes it), data (base64).
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
import time
from typing import Any

import numpy as np
import yaml

PATIENCE_S = 20.0


def profile_of(text: str) -> Any:
    """Of a channel's metadata ``offered_qos_profiles``: the first one."""
    qos: Any = importlib.import_module("rclpy.qos")
    told = yaml.safe_load(text)[0]
    return qos.QoSProfile(
        depth=told["depth"],
        history=qos.HistoryPolicy(told["history"]),
        reliability=qos.ReliabilityPolicy(told["reliability"]),
        durability=qos.DurabilityPolicy(told["durability"]),
    )


def kind_of(schema: str) -> Any:
    """``sensor_msgs/msg/Image`` -> its class; None: the package is not installed."""
    package, _, name = schema.split("/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name)
    except ImportError:
        return None


def facts_of(message: Any) -> Any:
    """Something of its contents."""
    if hasattr(message, "encoding"):
        return [message.encoding, message.height, message.width, int(np.asarray(message.data).astype(np.int64).sum())]
    if hasattr(message, "format"):
        return [message.format, len(message.data)]
    return len(str(message))


def main(bag: list[dict[str, str]]) -> None:
    """Print what arrived, by topic, and the types that ROS does not have here."""
    rclpy: Any = importlib.import_module("rclpy")
    rclpy.init()
    node, heard = rclpy.create_node("bag_play"), dict[str, list[Any]]()
    missing, makers, waiting = set[str](), dict[str, Any](), list[tuple[str, bytes]]()
    for message in bag:
        topic = message["topic"]
        if (kind := kind_of(message["schema"])) is None:
            missing.add(message["schema"])
            continue
        if topic not in makers:
            profile, known = profile_of(message["qos"]), heard.setdefault(topic, [])
            makers[topic] = node.create_publisher(kind, topic, profile)
            node.create_subscription(kind, topic, lambda got, known=known: known.append(facts_of(got)), profile)
        waiting.append((topic, base64.b64decode(message["data"])))
    end_s = time.monotonic() + PATIENCE_S
    while any(maker.get_subscription_count() == 0 for maker in makers.values()) and time.monotonic() < end_s:
        rclpy.spin_once(node, timeout_sec=0.05)
    for topic, data in waiting:
        before = len(heard[topic])
        makers[topic].publish(data)
        while len(heard[topic]) == before and time.monotonic() < end_s:
            rclpy.spin_once(node, timeout_sec=0.05)
    print(json.dumps({"heard": heard, "missing": sorted(missing)}), flush=True)  # noqa: T201
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main(json.load(sys.stdin))
