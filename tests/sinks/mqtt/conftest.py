"""Each test has a broker, and a state folder, of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_segnet.scene.events import EventLog
from tests.sinks.mqtt.mosquitto import Mosquitto
from tests.support.service import StreetService, drive


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the service keeps its events and the sink its cursor."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def service(state: Path) -> Iterator[StreetService]:
    """With an event log on disk."""
    made = StreetService()
    made.events = EventLog(state / "events")
    yield made
    made.events.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The broker's."""
    made = tmp_path / "broker"
    made.mkdir()
    return made


@pytest.fixture
def broker(folder: Path) -> Iterator[Mosquitto]:
    """Open to everyone."""
    with Mosquitto(folder) as running:
        yield running


@pytest.fixture(scope="session")
def street() -> list:  # type: ignore[type-arg]
    """Some results."""
    return drive(3)
