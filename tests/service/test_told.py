"""What sinks know of the service was pushed to them: they wait for nobody, and for no other sink."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edge_segnet.board.notify import Notifier
from edge_segnet.scene.events import EventLog
from edge_segnet.service.life import Daemon
from edge_segnet.service.reload import Origin
from edge_segnet.sinks.registry import load
from edge_segnet.sinks.told import Told
from tests.service.test_life import Steady, settings
from tests.support.results import ListSink
from tests.support.service import StreetService
from tests.support.waiting import wait_until


class Mute(ListSink):
    """Does not come back from telling its status."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.free = threading.Event(), threading.Event()

    def status(self) -> dict[str, Any]:
        self.asked.set()
        self.free.wait(30)
        return {}


@pytest.mark.alone
def test_a_sink_that_does_not_tell_its_status_holds_up_nobody(tmp_path: Path, model: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(settings(model))
    mute, heard = Mute(), ListSink()
    daemon = Daemon(
        load(file),
        Origin(lambda: load(file), None, False),
        Notifier({}),
        {"mute": mute, "heard": heard},
        lambda _config, _name, size, _fit: Steady(size),
    )
    thread = threading.Thread(target=daemon.run)
    thread.start()
    try:
        wait_until(mute.asked.is_set)
        wait_until(lambda: len(heard.results) > 5)
        began = time.monotonic()
        told = daemon.state.told
        assert told.status().version and list(told.cameras) == ["front"] and told.view is not None
        assert time.monotonic() - began < 1.0
        mute.free.set()
        wait_until(
            lambda: "heard" in told.status().sinks and any(each.frames for each in told.status().cameras.values())
        )
    finally:
        mute.free.set()
        daemon.stop()
        thread.join(20)
    assert not thread.is_alive()


def test_a_status_that_nobody_renews_is_no_sign_of_health() -> None:
    status = StreetService().status()
    told = Told(EventLog(None), status, silent_s=0.2)
    assert told.healthy and told.ready and told.view is None and not told.cameras
    wait_until(lambda: not told.healthy)
    told.push(status)
    assert told.healthy
