"""Rules on the service itself: seconds, not frames, decide."""

from __future__ import annotations

import pytest

from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.events import EventLog
from edge_segnet.scene.watch import Vitals, WatchState
from edge_segnet.settings.schema import Config
from edge_segnet.settings.watch import WatchConfig
from tests.support.waiting import wait_until

WELL = Vitals(30.0, 20.0, running=True, seq=7)


@pytest.mark.parametrize(
    ("config", "bad", "value"),
    [
        ({"frames_per_second_below": 5.0}, Vitals(2.0, 20.0, running=True), 2.0),
        ({"age_ms_above": 500.0}, Vitals(30.0, 900.0, running=True), 900.0),
        ({"age_ms_above": 500.0}, Vitals(0.0, None, running=True), 0.0),
        ({"not_running": True}, Vitals(0.0, 20.0, running=False), 10.0),
    ],
)
def test_an_alarm_begins_and_ends_once(config: dict[str, object], bad: Vitals, value: float) -> None:
    log = EventLog(None)
    watch = WatchState(WatchConfig.model_validate({"name": "slow", "for_s": 10.0} | config), "front", Alarms(log), 0.0)
    for second in range(1, 10):
        watch.look(bad, float(second))
    watch.look(WELL, 9.5)  # well again, in time
    for tenth in range(100, 400):
        watch.look(bad, tenth / 10)
    watch.look(WELL, 40.0)
    watch.look(bad, 45.0)  # not well for long enough
    for tenth in range(460, 600):
        watch.look(WELL, tenth / 10)
    wait_until(lambda: len(log.newest(10)) == 2)
    clear, start = log.newest(10)
    assert (start.kind, clear.kind, start.camera, start.measure) == ("start", "clear", "front", watch.config.measure)
    assert start.value == pytest.approx(value, abs=0.6) and start.threshold == watch.config.threshold
    assert clear.duration_s == pytest.approx(35.0, abs=2.0)
    log.close()


@pytest.mark.parametrize(
    ("watch", "says"),
    [
        ({"name": "a"}, "one thing"),
        ({"name": "a", "not_running": True, "age_ms_above": 1.0}, "one thing"),
        ({"name": "a", "not_running": True, "camera": "rear"}, "there is no camera rear"),
        ({"name": "a", "frames_per_second_below": 0.0}, "greater than 0"),
    ],
)
def test_settings_that_are_no_watch(watch: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Config.model_validate({"watch": [watch]})


def test_a_name_is_taken_once() -> None:
    one = {"name": "a", "not_running": True}
    with pytest.raises(ValueError, match="a is the name of another rule"):
        Config.model_validate({"watch": [one, one]})
