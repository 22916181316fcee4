"""Regions and rules in the program itself: alarms, events, a kill, a bad rule."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from tests.support.command import edge_segnet
from tests.support.program import Program, program
from tests.support.waiting import wait_until

# The lower half is mostly road or mostly something else, whatever a tiny model sees: one of two rules is on at once.
TEXT = """
model: {model}
cameras: {{front: {{source: synthetic://drive}}}}
regions: {{low: {{polygon: [[0, 0.5], [1, 0.5], [1, 1], [0, 1]]}}}}
rules:
- {{name: road, region: low, class: Road, above: 0.5, frames: 2, clear_below: 0.0, clear_frames: 100000}}
- {{name: other, region: low, class: Road, below: 0.51, frames: 2, clear_above: 1.0, clear_frames: 100000}}
"""


def events(service: Program) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get("/api/events").json()["events"]
    return found


def test_events_survive_a_kill_and_an_alarm_goes_on(model: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(TEXT.format(model=model))
    state = {"STATE_DIRECTORY": str(tmp_path / "state")}
    arguments = ("--config", config, "--set", "http.port=0")
    with program(*arguments, environment=state) as service:
        service.wait_ready()
        wait_until(lambda: events(service))
        before = events(service)
        picture = service.get(f"/api/events/{before[-1]['snapshot']}")
        assert picture.content.startswith(b"\xff\xd8")
        result = service.get("/api/result").json()
        assert before[-1]["rule"] in result["alarms"] and set(result["regions"]) == {"low"}
        assert f'edge_segnet_alarm{{camera="front",rule="{before[-1]["rule"]}"}} 1.0' in service.get("/metrics").text
        service.end(signal.SIGKILL)
    with program(*arguments, environment=state) as service:
        service.wait_ready()
        wait_until(lambda: service.get("/api/result").status_code == 200)
        assert events(service)[-len(before) :] == before
        wait_until(lambda: before[-1]["rule"] in service.get("/api/result").json()["alarms"])
        starts = [event["rule"] for event in events(service) if event["kind"] == "start"]
        assert starts.count(before[-1]["rule"]) == 1, "no second start"
        assert service.get("/api/status").json()["events"]["error"] is None


def test_a_rule_on_a_class_that_the_model_has_not_ends_with_2(model: Path, tmp_path: Path) -> None:
    config = tmp_path / "c.yaml"
    config.write_text(TEXT.format(model=model).replace("class: Road, below", "class: Rode, below"))
    said = f"{config}:7: rules[1].class: the model has no class 'Rode': camvid-11 has Sky"
    for more in ((), ("--check",)):
        done = edge_segnet("run", "--config", config, "--set", "http=null", *more)
        assert done.code == 2 and said in done.err and "Traceback" not in done.err
    config.write_text(TEXT.format(model=tmp_path / "later.onnx"))
    done = edge_segnet("run", "--config", config, "--set", "http=null", "--check")
    assert done.code == 0 and "was checked" in done.err
