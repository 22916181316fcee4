"""The program, killed and changed while an alarm is on: one start, one clear."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from tests.support.program import program
from tests.support.waiting import wait_until

FIRING = {"name": "few", "region": "all", "class": "Car", "below": 1.0, "frames": 1}


def test_one_start_and_one_clear_whatever_happens_between(model: Path, tmp_path: Path) -> None:
    config, log = tmp_path / "c.yaml", tmp_path / "events" / "events.jsonl"
    environment = {"STATE_DIRECTORY": str(tmp_path)}

    def write(*rules: dict[str, Any]) -> None:
        config.write_text(
            f"model: {model}\nbackend: onnx\nhttp: null\ncameras: {{front: {{source: synthetic://drive}}}}\n"
            f"regions: {{all: {{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}}\nrules: {json.dumps(rules)}\n",
            encoding="utf-8",
        )

    def kinds() -> list[str]:
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [json.loads(line)["kind"] for line in lines]

    write(FIRING)
    for _ in range(3):
        with program("--config", config, environment=environment) as service:
            service.wait_ready()
            wait_until(kinds)
            service.end(signal.SIGKILL)
        assert kinds() == ["start"]
    with program("--config", config, environment=environment) as service:
        service.wait_ready()
        write({**FIRING, "below": 0.99, "frames": 3})
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: any("settings reloaded" in line for line in service.log))
        assert kinds() == ["start"], "the changed rule's alarm goes on"
        service.end(signal.SIGKILL)
    write()
    with program("--config", config, environment=environment) as service:
        service.wait_ready()
        wait_until(lambda: kinds() == ["start", "clear"])
