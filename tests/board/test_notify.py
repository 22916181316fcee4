"""sd_notify, heard by a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_segnet.board.notify import Notifier


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.settimeout(5)
        yield heard


def test_every_message(manager: socket.socket) -> None:
    notify = Notifier({"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "10000000"})
    assert notify.listening and notify.watchdog_s == 10.0
    notify.status("waiting\nfor a model")
    notify.status("waiting for a model")
    notify.ready()
    notify.watchdog()
    notify.extend(2.5)
    notify.reloading()
    notify.stopping()
    messages = [manager.recv(999).decode() for _ in range(6)]
    assert messages[:4] == ["STATUS=waiting for a model", "READY=1", "WATCHDOG=1", "EXTEND_TIMEOUT_USEC=2500000"]
    assert messages[4].startswith("RELOADING=1\nMONOTONIC_USEC=") and messages[5] == "STOPPING=1"
    notify.close()
    notify.ready()


def test_abstract_sockets() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        name = f"edge-segnet-test-{os.getpid()}"
        heard.bind(f"\0{name}")
        heard.settimeout(5)
        notify = Notifier({"NOTIFY_SOCKET": f"@{name}"})
        notify.ready()
        assert heard.recv(99) == b"READY=1"
        notify.close()


def test_nobody_listens(tmp_path: Path) -> None:
    silent = Notifier({"WATCHDOG_USEC": "10000000"})
    silent.ready()
    assert not silent.listening and silent.watchdog_s is None
    gone = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "x"})
    gone.ready()
    assert gone.watchdog_s is None
    gone.close()
    other = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"})
    assert other.watchdog_s is None
    other.close()
