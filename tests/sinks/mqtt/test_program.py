"""The whole program and a broker: rules become messages, a reload moves them, an end is announced."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.sinks.mqtt.mosquitto import Mosquitto
from tests.sinks.mqtt.receiver import Receiver
from tests.support.command import edge_segnet
from tests.support.program import program
from tests.support.waiting import wait_until

SETTINGS = """
model: {model}
cameras: {{front: {{source: "synthetic://drive", rate: 20}}}}
http: {{port: 0}}
regions: {{all: {{polygon: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}}
rules: [{{name: some-sky, region: all, class: Sky, above: 0}}, {{name: no-sky, region: all, class: Sky, below: 1}}]
mqtt: {{url: "mqtt://127.0.0.1:{port}", prefix: {prefix}, keepalive_s: 2}}
jsonl: {{path: {lines}, free_mb: 0}}
video: {{path: {lines}, free_mb: 0}}
"""


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return tmp_path / "lines"


def test_from_rules_to_messages(broker: Mosquitto, state: Path, lines: Path, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    given = {"model": model, "port": broker.port, "lines": lines}
    file.write_text(SETTINGS.format(prefix="robot", **given))
    environment = {"STATE_DIRECTORY": str(state)}
    with Receiver(broker.port) as receiver:
        with program("--config", file, environment=environment) as service:
            service.wait_ready()
            wait_until(lambda: receiver.of("robot/event") and len(receiver.of("robot/result/front")) > 3)
            event = receiver.of("robot/event")[0].document
            assert event["kind"] == "start" and event["camera"] == "front" and event["region"] == "all"
            assert event["rule"] in receiver.of("robot/result/front")[-1].document["alarms"]
            sinks = service.get("/api/status").json()["sinks"]
            assert sinks["mqtt"]["state"] == "connected" and sinks["mqtt"]["sent"]["event"] >= 1
            assert sinks["jsonl"]["written"] > 0 and sinks["video"]["state"] == "writing"
            metrics = service.get("/metrics").text
            assert 'edge_segnet_sink_state{sink="mqtt",state="connected"} 1.0' in metrics
            assert 'edge_segnet_sink_error{sink="jsonl"} 0.0' in metrics
            file.write_text(SETTINGS.format(prefix="robot/moved", **given))
            service.process.send_signal(signal.SIGHUP)
            wait_until(lambda: receiver.of("robot/moved/result/front"))
            assert receiver.states()[-1] == "offline"
            assert service.end() < 5
        wait_until(lambda: receiver.of("robot/moved/status")[-1].document["message"] == "stopped")
        with program("--config", file, environment=environment) as service:
            wait_until(lambda: receiver.of("robot/moved/status")[-1].document["online"])
            service.end(signal.SIGKILL)
        wait_until(lambda: receiver.of("robot/moved/status")[-1].document["message"] == "connection lost")
        ids = [
            message.document["id"] for topic in ("robot", "robot/moved") for message in receiver.of(f"{topic}/event")
        ]
        assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jsonl:\n  path: /dev/null/x\n", "c.yaml:2: jsonl.path: /dev/null/x can't be written (Not a directory)"),
        ("video: {path: /dev/null/x}\n", "c.yaml:1: video.path: /dev/null/x can't be written (Not a directory)"),
        (
            "mqtt:\n  url: mqtts://b\n  user: u\n  password_file: /nowhere\n",
            "c.yaml:4: mqtt.password_file: /nowhere: No such file or directory: it holds the password",
        ),
        (
            "mqtt:\n  url: mqtts://b\n  tls:\n    ca: /nowhere\n",
            "c.yaml:4: mqtt.tls.ca: /nowhere: No such file or directory: it must be a PEM file",
        ),
    ],
)
def test_what_cannot_work_here_ends_at_once(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    done = edge_segnet("run", "--config", "c.yaml", folder=tmp_path)
    assert done.code == 2
    assert said in done.error and "\n" not in done.error
