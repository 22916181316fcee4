"""Sinks that were made and are thrown away: a refused reload, or ``run --check``."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge_segnet.core.errors import UsageError
from edge_segnet.scene.events import EventLog
from edge_segnet.service.sinks import SinkManager
from edge_segnet.service.state import State
from edge_segnet.sinks.registry import SPECS, configured
from tests.support.waiting import wait_until

SECTIONS = {
    "http": {"port": 0},
    "rtsp": {"port": 0},
    "mqtt": {"url": "mqtt://127.0.0.1:9"},
    "jsonl": {},
    "video": {},
    "recording": {},
    "foxglove": {"port": 0},
    "ros2": {},
}


def test_every_sink_is_among_them() -> None:
    assert SECTIONS.keys() == {spec.name for spec in SPECS}


@pytest.mark.parametrize("name", SECTIONS)
def test_one_that_never_got_to_work_leaves_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path))
    config = configured(**{"http": None, name: SECTIONS[name]})
    state = State(EventLog(None))
    sinks = SinkManager(state, {})
    before = set(threading.enumerate())
    try:
        sinks.check(config)
    except UsageError as error:
        pytest.skip(str(error))
    with ExitStack() as made:
        sinks.prepare(config, made)
    wait_until(lambda: set(threading.enumerate()) <= before)
    assert "could not be closed" not in caplog.text
    assert sinks.status() == {}
