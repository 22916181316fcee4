"""The service at a broker that is not mosquitto: rumqttd (Rust), as iotcore brings it, which speaks MQTT 5."""

from __future__ import annotations

import random
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_segnet.scene.events import EventLog
from tests.peers.places import peer
from tests.sinks.mqtt import older
from tests.sinks.mqtt.cutting_proxy import CuttingProxy
from tests.sinks.mqtt.mosquitto import free_port
from tests.sinks.mqtt.receiver import Receiver
from tests.sinks.mqtt.stage import connected, happen, sending
from tests.sinks.mqtt.test_program import SETTINGS
from tests.support.program import program
from tests.support.service import StreetService
from tests.support.waiting import wait_until

CONFIG = """
id = 0
[router]
id = 0
max_connections = 100
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "v5-1"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 262144
max_inflight_count = 100
dynamic_filters = true
"""


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    python, found, config = peer("rumqttd/bin/python"), free_port(), tmp_path / "broker.toml"
    config.write_text(CONFIG.format(port=found))
    process = subprocess.Popen([python, "-m", "iotcore", "--config", config, "--log-level", "CRITICAL"])
    try:
        wait_until(lambda: older.answers(found))
        yield found
    finally:
        process.kill()
        process.wait()


def test_from_rules_to_messages(port: int, model: Path, tmp_path: Path) -> None:
    """Status retained, results, events with their ids, the last will."""
    file, lines = tmp_path / "c.yaml", tmp_path / "lines"
    file.write_text(SETTINGS.format(prefix="robot", model=model, port=port, lines=lines))
    environment = {"STATE_DIRECTORY": str(tmp_path / "state")}
    with Receiver(port) as receiver, program("--config", file, environment=environment) as service:
        service.wait_ready()
        wait_until(lambda: receiver.of("robot/event") and len(receiver.of("robot/result/front")) > 3)
        event = receiver.of("robot/event")[0]
        assert event.document["kind"] == "start"
        assert receiver.of("robot/status")[-1].document["online"]
        with Receiver(port, "robot/status", name="late") as late:
            wait_until(lambda: late.messages)
            assert late.messages[0].document["state"] == "running"  # retained: nothing has changed since
        told = service.get("/api/status").json()["sinks"]["mqtt"]
        assert (told["state"], told["error"]) == ("connected", None)
        service.end(signal.SIGKILL)
        wait_until(lambda: receiver.of("robot/status")[-1].document["message"] == "connection lost")


def test_every_event_over_a_network_that_breaks(port: int) -> None:
    """The connection is cut after random bytes, in both directions: no event is lost, and they come in order."""
    rng, service = random.Random(7), StreetService()
    service.events = EventLog(None)
    with (
        Receiver(port, "robot/event") as receiver,
        CuttingProxy(port) as proxy,
        sending(service, proxy.port) as sink,
    ):
        wait_until(lambda: connected(sink))
        for first in range(0, 100, 20):
            proxy.cut_after(rng.randrange(0, 4000), rng.randrange(0, 300))
            happen(service.events, *range(first, first + 20))
            wait_until(lambda first=first: len(receiver.events()) > first)  # type: ignore[misc]
        proxy.cut_after()
        wait_until(lambda: receiver.events()[-1:] == [99], 40)
        wait_until(lambda: sink.status()["queue"] == 0)
        assert list(dict.fromkeys(receiver.events())) == list(range(100))
        assert proxy.cuts >= 3
    service.events.close()
