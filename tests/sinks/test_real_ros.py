"""Our ROS 2 bags through ROS 2 itself: its middleware, its types, its Python. pip install ros-rclpy
ros-rmw-fastrtps-cpp ros-sensor-msgs ros-std-msgs ros-diagnostic-msgs ros-rcl-interfaces, or a sourced ROS.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from edge_segnet.sinks.ros2.link import RclpyLink
from edge_segnet.sinks.ros2.settings import Ros2Config
from tests.sinks.test_ros2_bags import BESIDE, PER_FRAME, bag
from tests.support.recordings import street

__all__ = ["bag"]
if importlib.util.find_spec("rclpy") is None:
    pytest.skip("rclpy is not installed", allow_module_level=True)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apart from whatever else speaks ROS here."""
    monkeypatch.setenv("ROS_DOMAIN_ID", str(random.randint(1, 100)))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def test_a_bag_is_played_and_heard(bag: tuple[Path, list[object]]) -> None:
    command = [sys.executable, "-m", "tests.support.ros_play", str(bag[0])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert set(told["missing"]) <= {"vision_msgs/msg/LabelInfo"}  # a package of its own
    sent = {**PER_FRAME, **BESIDE}
    heard, shown = told["heard"], street()
    assert set(heard) == {topic for topic, kind in sent.items() if kind not in told["missing"]}
    assert all(len(heard[topic]) == len(shown) for topic in PER_FRAME if topic in heard), told
    labels = [each.segmentation.labels for each in shown]
    assert heard["/front/mask"] == [["mono8", *each.shape, int(each.astype(int).sum())] for each in labels]
    assert all("jpeg" in form and size > 0 for form, size in heard["/front/image/compressed"])


def test_a_node_of_ours_opens_publishes_and_closes() -> None:
    link = RclpyLink(Ros2Config())
    link.open()
    publisher = link.publisher("std_msgs/String", "~/events")
    publisher.publish(link.kind("std_msgs/String")(data="{}"))
    assert publisher.get_subscription_count() == 0
    link.remove([publisher])
    link.close()
