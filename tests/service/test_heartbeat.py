"""What the service manager hears: time to start, READY, and pings for progress alone."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_segnet.board.notify import Notifier
from edge_segnet.core import threads
from edge_segnet.scene.events import EventLog
from edge_segnet.service.heartbeat import START_S, Heartbeat
from edge_segnet.service.state import State
from tests.support.waiting import wait_until


class Manager:
    """A service manager's ear."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self.address = str(path)

    def heard(self) -> list[str]:
        """What came since the last time."""
        lines: list[str] = []
        while True:
            try:
                lines += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return lines

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    made = Manager(tmp_path / "notify")
    yield made
    made.close()


def beating(manager: Manager) -> tuple[Heartbeat, State, Notifier]:
    notify = Notifier({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "10000000"})
    state = State(EventLog(None))
    return Heartbeat(notify, state), state, notify


def test_a_start_asks_for_time_as_long_as_it_gets_on(manager: Manager) -> None:
    heart, _, notify = beating(manager)
    heart.beat()
    heart.beat()
    assert manager.heard() == ["EXTEND_TIMEOUT_USEC=30000000"]
    late, hanging, other = beating(manager)
    hanging.stirred_s = time.monotonic() - START_S - 1
    late.beat()
    assert manager.heard() == [], "a start that hangs is left to the service manager"
    notify.close()
    other.close()


def test_a_vital_thread_that_rests_gets_no_ping(manager: Manager) -> None:
    heart, state, notify = beating(manager)
    state.ready = True
    heart.beat()
    assert manager.heard() == ["WATCHDOG=1"]

    def run() -> None:
        raise LookupError("nobody expected this")

    vital = threads.Thread(run, "vital", vital=True)
    vital.start()
    wait_until(lambda: not threads.all_alive())
    again = Heartbeat(notify, state)
    again.beat()
    heard = manager.heard()
    if not threads.all_alive():
        assert heard == []
    vital.join(5)
    again.beat()
    assert "WATCHDOG=1" in manager.heard()
    notify.close()
