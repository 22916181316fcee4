"""A camera of which some pictures are damaged or black, through the whole program: what is said of each result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.support.mjpeg_camera import MjpegCamera, jpeg
from tests.support.program import program
from tests.support.waiting import wait_until

NOISE = jpeg(np.random.default_rng(1).integers(0, 255, (48, 64, 3)).astype(np.uint8))
PICTURES = (NOISE, NOISE[: len(NOISE) // 2] + b"\xff\xd9", jpeg(np.zeros((48, 64, 3), np.uint8)))


def test_marked_or_not_there(tmp_path: Path, model: Path) -> None:
    """Two cameras show the same; of three pictures one is whole."""
    path = tmp_path / "config.yaml"
    with MjpegCamera(lambda number: PICTURES[number % 3], fps=20.0) as camera:
        cameras = f"{{drops: {{source: '{camera.url}'}}, flags: {{source: '{camera.url}', on_damage: flag}}}}"
        lines = f"jsonl: {{path: {tmp_path / 'lines'}, free_mb: 0}}"
        path.write_text(f"model: {model}\ncameras: {cameras}\n{lines}\n", encoding="utf-8")
        with program("--config", path, environment={"STATE_DIRECTORY": str(tmp_path / "state")}) as service:
            service.wait_ready()
            wait_until(lambda: all(one["frames"] > 9 for one in service.get("/api/status").json()["cameras"].values()))
            told = service.get("/api/status").json()["cameras"]
            dropped = {name: one["dropped"] for name, one in told.items()}
            service.end()
    results = [json.loads(line) for file in tmp_path.glob("lines/*") for line in file.read_text().splitlines()]
    marks = {name: {one.get("damaged", False) for one in results if one["camera"] == name} for name in dropped}
    assert marks == {"drops": {False}, "flags": {False, True}}
    # A frame may be counted in one of the numbers and not yet in the other.
    assert all(abs(one["conversions"] - one["frames"]) <= 1 for one in told.values())
    assert all(one["copies"] <= one["frames"] + 1 for one in told.values()), "one copy a frame at most"
    assert min(one["damaged"] for one in dropped.values()) > 3, "counted by both"
