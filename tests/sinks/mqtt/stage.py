"""A sink at a real broker, and events with numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from edge_segnet.scene.events import Event, EventLog
from edge_segnet.sinks.mqtt.settings import MqttConfig
from edge_segnet.sinks.mqtt.sink import MqttSink
from tests.support.service import StreetService
from tests.support.waiting import wait_until


def event_of(number: int) -> Event:
    """The ``number``-th event, by its frame."""
    kind = "start" if number % 2 == 0 else "clear"
    return Event("lost", "ahead", "front", "Road", kind, "2026-11-22T20:14:03.120Z", 0.25, 0.4, number)  # type: ignore[arg-type]


def happen(log: EventLog, *numbers: int) -> None:
    """Events, in the log when this returns; never more at a time than the log takes."""
    for number in numbers:
        log.append(event_of(number))
        if number % 100 == 99 or number == numbers[-1]:
            wait_until(lambda number=number: [event.frame_seq for event in log.newest(1)] == [number])  # type: ignore[misc]


def config(port: int, **settings: Any) -> MqttConfig:
    """Everything below ``robot``; a broker that is silent for 2 s is given up."""
    given = {"url": f"mqtt://127.0.0.1:{port}", "prefix": "robot", "rate": 1000.0, "keepalive_s": 2, **settings}
    return MqttConfig.model_validate(given)


@contextmanager
def sending(service: StreetService, port: int, **settings: Any) -> Iterator[MqttSink]:
    """A started sink."""
    sink = MqttSink(config(port, **settings), service)
    sink.start()
    try:
        yield sink
    finally:
        sink.close()


def connected(sink: MqttSink) -> bool:
    """Whether there is a connection."""
    return bool(sink.status()["state"] == "connected")


def cursor_of(state: Path) -> Path:
    """Where a sink keeps its cursor."""
    return state / "mqtt-cursor.json"
