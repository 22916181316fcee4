"""What a real Home Assistant makes of us: values that live, cameras that go, things that are removed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from edge_segnet.core.types import FreeSpace, Region, Result
from tests.sinks.mqtt.home import Home, home_assistant
from tests.sinks.mqtt.mosquitto import Mosquitto
from tests.sinks.mqtt.stage import connected, happen, sending
from tests.sinks.mqtt.test_home_assistant import judged, ruled  # noqa: F401 - a fixture
from tests.support.service import StreetService
from tests.support.waiting import wait_until

WAIT_S = 15


def until(home: Home, **wanted: str | None) -> None:
    """Until these entities (by our name of them) have these states; None: they are not there."""

    def found() -> dict[str, str | None]:
        states = home.look().states
        return {name: states.get(name) for name in wanted}

    deadline = time.monotonic() + WAIT_S
    while (now := found()) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    assert now == wanted, home.look().problems


def measured(result: Result, seq: int, camera: str, alarms: tuple[str, ...] = ()) -> Result:
    """With a free distance."""
    made = judged(result, seq, camera, alarms)
    region = made.regions["ahead"]
    free = FreeSpace((40, 20, 30), (4.5, 2.25, 3.0), (-10.0, 0.0, 10.0))
    object.__setattr__(made, "regions", {"ahead": Region(region.counts, region.smoothed, free)})
    return made


def test_a_camera_that_goes_takes_its_values_along_and_what_is_removed_is_gone(
    broker: Mosquitto,
    ruled: StreetService,  # noqa: F811
    street: list[Result],
    tmp_path: Path,
) -> None:
    two = StreetService("front", "rear")
    assert ruled.view is not None
    two.view = replace(ruled.view, metric=frozenset({"front"}))
    two.changes["sinks"] = {}
    settings: dict[str, Any] = {"home_assistant": {}, "frame": {}}
    with home_assistant(broker.port, tmp_path) as home:
        with sending(two, broker.port, **settings) as sink:
            wait_until(lambda: connected(sink))
            until(home, state_front="running", running_rear="on", service="running", degraded="off", throttled="off")
            until(home, temperature="51.5")
            for camera in ("front", "rear"):
                sink.publish(measured(street[0], 1, camera, ("no-road",)))
            until(home, **{"rule_front_no-road": "on", "rule_rear_no-road": "on", "free_front_ahead_metres": "2.25"})
            until(home, free_rear_ahead_rows="20", free_rear_ahead_metres=None)
            share = home.look().states["class_front_Road"]
            assert float(share) > 0

            # One camera is lost, the other lives: its values are not shown any more, though messages go on.
            two.camera_changes["rear"] = {"state": "lost", "message": "unplugged"}
            two.changes["degraded"] = {"camera rear": "lost: unplugged"}
            until(home, state_rear="lost", degraded="on", class_rear_Road="unavailable")
            sink.publish(measured(street[0], 2, "front"))
            until(home, **{"rule_front_no-road": "off", "rule_rear_no-road": "unavailable", "class_front_Road": share})
            happen(two.events, 0)
            wait_until(lambda: home.look().states["events"] not in ("unknown", "unavailable"), WAIT_S)

            # A rule, a region and a camera are removed.
            two.view = replace(two.view, regions={}, rules=())
            two.cameras = {"front": two.cameras["front"]}
            two.changes["reload"] = {"at": "now", "ok": True, "message": ""}
            gone = {"rule_front_no-road": None, "region_front_ahead_Road": None, "class_rear_Road": None}
            until(home, **gone, state_rear=None, picture_rear=None, free_front_ahead_rows=None)
            assert home.look().states["state_front"] == "running"
        until(home, state_front="unavailable", class_front_Road="unavailable")
        assert home.look().problems == []

        # What was removed while the service was away is removed, too; and a whole device that is not wanted any more.
        one = StreetService("side")
        one.view = two.view
        with sending(one, broker.port, **settings) as sink:
            until(home, state_side="running", state_front=None, class_front_Road=None)
        with sending(one, broker.port) as sink:
            until(home, state_side=None, service=None, events=None)
    with home_assistant(broker.port, tmp_path / "later") as home, sending(one, broker.port, **settings) as sink:
        until(home, state_side="running")  # a Home Assistant that was started later, with all the words of removal
        assert home.look().problems == []
