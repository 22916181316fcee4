"""Our ROS 2 bags through ROS 2 itself: its middleware, its types, its Python. ``EDGE_SEGNET_PEERS`` names a folder with
an environment ``ros2``: pip install ros-rclpy ros-rmw-fastrtps-cpp ros-sensor-msgs ros-std-msgs ros-diagnostic-msgs
ros-rcl-interfaces. PyPI has neither ``ros2 bag`` nor vision_msgs.
"""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
from pathlib import Path

import pytest
from mcap.reader import make_reader

from edge_segnet.core.types import Result
from tests.sinks.test_ros2_bags import BESIDE, PER_FRAME, bag

__all__ = ["bag"]
PLAYER = Path(__file__).parents[1] / "support" / "ros_play.py"


def messages(path: Path) -> list[dict[str, str]]:
    """As the player takes them."""
    found = []
    with path.open("rb") as file:
        for schema, channel, message in make_reader(file).iter_messages():
            assert schema is not None
            qos, data = channel.metadata["offered_qos_profiles"], base64.b64encode(message.data).decode()
            found.append({"topic": channel.topic, "schema": schema.name, "qos": qos, "data": data})
    return found


def test_a_bag_is_played_and_heard(bag: tuple[Path, list[Result]]) -> None:
    python = Path(os.environ.get("EDGE_SEGNET_PEERS", "nowhere"), "ros2/bin/python")
    if not python.exists():
        pytest.skip("needs an environment with rclpy (EDGE_SEGNET_PEERS)")
    told = {"ROS_DOMAIN_ID": str(random.randint(1, 100)), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    done = subprocess.run(
        [python, str(PLAYER)],
        input=json.dumps(messages(bag[0])),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **told},
    )
    assert done.returncode == 0, done.stderr
    said, sent = json.loads(done.stdout), {**PER_FRAME, **BESIDE}
    assert set(said["missing"]) <= {"vision_msgs/msg/LabelInfo"}
    heard, shown = said["heard"], bag[1]
    assert set(heard) == {topic for topic, kind in sent.items() if kind not in said["missing"]}
    assert all(len(heard[topic]) == len(shown) for topic in PER_FRAME if topic in heard), said
    labels = [each.segmentation.labels for each in shown]
    assert heard["/front/mask"] == [["mono8", *each.shape, int(each.astype(int).sum())] for each in labels]
    assert all("jpeg" in form and size > 0 for form, size in heard["/front/image/compressed"])
