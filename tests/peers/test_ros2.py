"""The service as a node of ROS 2's own rclpy, heard by another program's node (``make peers``)."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11
from tests.peers.places import peer
from tests.support.program import Program

LISTENER = Path(__file__).with_name("ros2_listener.py")
SETTINGS = """
model: {model}
cameras: {{front-left: {{source: "synthetic://drive", rate: 10}}}}
http: {{port: 0}}
ros2: {{node: segnet, frame_ids: {{front-left: left/optical}}}}
"""


@pytest.fixture(scope="module")
def python() -> str:
    """With rclpy; and with our own packages behind it."""
    found = str(peer("ros2/bin/python"))
    told = subprocess.run(
        [found, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True, check=True
    )
    if told.stdout.strip() != str(sys.version_info[:2]):
        pytest.skip("its rclpy is of another Python")
    return found


def test_what_a_node_hears(python: str, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(SETTINGS.format(model=model))
    environment = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "ROS_DOMAIN_ID": str(os.getpid() % 100 + 1),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "STATE_DIRECTORY": str(tmp_path / "state"),
    }
    service = Program(["--config", str(file)], environment, python=python)
    try:
        service.wait_ready()
        command = [python, str(LISTENER), "segnet", "front_left", "60"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | environment)
        assert done.returncode == 0, done.stderr
        sink = service.get("/api/status").json()["sinks"]["ros2"]
        assert service.end() < 3
    finally:
        service.close()
    heard = json.loads(done.stdout)
    assert sink["state"] == "publishing" and "there is no message vision_msgs/LabelInfo" in sink["without"]
    assert heard["types"]["/segnet/front_left/mask"] == ["sensor_msgs/msg/Image"]
    assert heard["types"]["/segnet/events"] == ["std_msgs/msg/String"]
    _is_what_the_result_says(heard["found"])


def _is_what_the_result_says(found: dict[str, list[Any]]) -> None:
    """The ids of a mask are those that the result of the same moment counts, and so are the shares."""
    results = {one["captured_at"]: one for one in found["result"]}
    assert {one["frame_id"] for one in found["mask"]} == {"left/optical"}
    names = [*CAMVID_11.names, "void"]
    matched = 0
    for mask in found["mask"]:
        result = next((one for one in results.values() if abs(_seconds(one["captured_at"]) - mask["at"]) < 0.002), None)
        if result is None:
            continue
        ids = np.frombuffer(base64.b64decode(mask["data"]), np.uint8)
        assert (mask["encoding"], [mask["width"], mask["height"]]) == ("mono8", result["network_size"])
        counts = np.bincount(ids, minlength=12)
        assert [int(count) for count in counts[:11]] == [result["classes"][name]["pixels"] for name in names[:11]]
        matched += 1
    assert matched >= 1
    assert found["shares"][-1]["labels"].split(",") == names and sum(found["shares"][-1]["data"]) == pytest.approx(1)
    assert found["diagnostics"][-1]["segnet: camera front-left"][0] == 0 and "damaged" not in found
    overlay = found["overlay"][-1]
    assert overlay["encoding"] == "bgr8" and overlay["step"] == 3 * overlay["width"]


def _seconds(iso: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp()
