"""When the board is asked for help, and when not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge_segnet.service.recovery import Recovery
from edge_segnet.settings.recover import RecoverConfig
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources import usb
from tests.support.waiting import wait_until

ALLOWED = RecoverConfig(usb_reset=3, restart_argus=2)


def camera(source: str, state: str) -> Any:
    return SimpleNamespace(config=CameraConfig(source=source), state=SimpleNamespace(state=state))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(usb.followed, "port", lambda named: "1-1.2" if named == "/dev/video0" else "")
    return now


def test_a_camera_that_stays_away_gets_help(clock: list[float]) -> None:
    asked: list[tuple[str, int, str]] = []

    def ask(action: str, limit: int, port: str) -> str:
        asked.append((action, limit, port))
        return "done"

    one = Recovery(ask, lambda: clock[0])
    cameras = {
        "usb": camera("0", "stalled"),
        "csi": camera("csi://0", "lost"),
        "gone": camera("7", "missing"),
        "well": camera("0", "running"),
        "net": camera("rtsp://cam/1", "lost"),
        "dark": camera("0", "black"),
        "nonsense": camera("0", "output_invalid"),
    }
    for _ in range(29):
        one.look(cameras, ALLOWED)
        clock[0] += 1.0
    assert asked == []
    for _ in range(60):
        one.look(cameras, ALLOWED)
        clock[0] += 1.0
    wait_until(lambda: len(asked) == 2)
    assert sorted(asked) == [("restart_argus", 2, ""), ("usb_reset", 3, "1-1.2")]
    for _ in range(90):
        one.look(cameras, ALLOWED)
        clock[0] += 1.0
    wait_until(lambda: len(asked) == 4)


def test_nothing_is_asked_for_unasked(clock: list[float]) -> None:
    one = Recovery(lambda *_: pytest.fail("asked"), lambda: clock[0])
    for settings in (None, RecoverConfig()):
        for _ in range(100):
            one.look({"usb": camera("0", "stalled"), "csi": camera("csi://0", "lost")}, settings)
            clock[0] += 1.0
