"""What ``ros2 bag play`` does, by ROS's own rclpy and middleware: the bag's bytes as they are, offered with the bag's
quality of service, and read by subscribers with ROS's own types. ``python -m tests.support.ros_play BAG``.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from mcap.reader import make_reader

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


def main(bag: Path) -> None:
    """Print what arrived, by topic, and the types that ROS does not have here."""
    rclpy: Any = importlib.import_module("rclpy")
    rclpy.init()
    node, heard = rclpy.create_node("bag_play"), dict[str, list[Any]]()
    missing, makers, waiting = set[str](), dict[str, Any](), list[tuple[str, bytes]]()
    with bag.open("rb") as file:
        for schema, channel, message in make_reader(file).iter_messages():
            assert schema is not None
            if (kind := kind_of(schema.name)) is None:
                missing.add(schema.name)
                continue
            if channel.topic not in makers:
                profile, topic = profile_of(channel.metadata["offered_qos_profiles"]), channel.topic
                makers[topic] = node.create_publisher(kind, topic, profile)
                known = heard.setdefault(topic, [])
                node.create_subscription(kind, topic, lambda got, known=known: known.append(facts_of(got)), profile)
            waiting.append((channel.topic, message.data))
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
    main(Path(sys.argv[1]))
