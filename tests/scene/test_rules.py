"""Rules, frame by frame: hysteresis, dwell, durations, what a restart knows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Frame, FreeSpace, Region
from edge_segnet.scene.events import Event
from edge_segnet.scene.rules import RuleState, left_on, value_of
from edge_segnet.settings.regions import RuleConfig
from tests.support.results import frame_of


def rule(**changes: object) -> RuleConfig:
    given = {"name": "road-lost", "region": "ahead", "class": "Road", "below": 0.4, "frames": 3, **changes}
    return RuleConfig.model_validate(given)


def frame_at(seq: int) -> Frame:
    """Ten frames a second."""
    return dataclasses.replace(frame_of(seq), captured_ns=seq * 100_000_000, captured_at=1795378443.0 + seq / 10)


def run(watch: RuleState, *values: float, first: int = 0) -> list[tuple[int, str]]:
    """(frame, kind) of each event."""
    events = [watch.update(value, frame_at(first + index)) for index, value in enumerate(values)]
    return [(event.frame_seq, event.kind) for event in events if event is not None]


def test_an_alarm_begins_with_the_frame_that_completes_the_dwell() -> None:
    watch = RuleState(rule(clear_above=0.5, clear_frames=2), "front")
    low, middle, high = 0.3, 0.45, 0.6
    assert run(watch, high, low, low, high, low, low) == []  # never three in a row
    assert run(watch, low) == [(0, "start")]
    assert run(watch, middle, high, middle, high, middle) == []  # hysteresis, and a dwell of two
    assert run(watch, high, 0.5, first=7) == [(8, "clear")]
    assert run(watch, low, low, middle, low, low) == [], "the count began anew"


def test_events_tell_what_when_and_how_long() -> None:
    watch = RuleState(rule(frames=1, clear_above=0.5), "front")
    start, clear = watch.update(0.25, frame_at(10)), watch.update(0.75, frame_at(25))
    assert start == Event(
        "road-lost", "ahead", "front", "Road", "start", "2026-11-22T20:14:04.000Z", 0.25, 0.4, 10, duration_s=None
    )
    assert clear is not None and (clear.kind, clear.value, clear.threshold) == ("clear", 0.75, 0.5)
    assert clear.duration_s == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("changes", "value", "on"),
    [
        ({"below": 0.4}, 0.4, False),
        ({"below": 0.4}, 0.399, True),
        ({"below": None, "above": 0.4}, 0.4, False),
        ({"below": None, "above": 0.4}, 0.401, True),
        ({"below": None, "above": 0}, 0.001, True),
    ],
)
def test_the_threshold_itself_raises_no_alarm(changes: dict[str, object], value: float, on: bool) -> None:
    watch = RuleState(rule(frames=1, **changes), "front")
    watch.update(value, frame_at(0))
    assert watch.on is on
    watch.update(watch.config.threshold, frame_at(1))
    assert not watch.on, "and it clears one"


def test_above_clears_below() -> None:
    watch = RuleState(rule(below=None, above=0.2, frames=2, clear_below=0.1, clear_frames=2), "front")
    assert run(watch, 0.3, 0.3, 0.15, 0.05, 0.15, 0.05, 0.1) == [(1, "start"), (6, "clear")]


def test_an_alarm_of_an_earlier_run_goes_on() -> None:
    watch = RuleState(rule(), "front", on=True)
    assert watch.retire() is None and watch.config.frames == 3
    watch = RuleState(rule(), "front", on=True)
    assert run(watch, 0.1, 0.1, 0.1, 0.1) == []
    clear = watch.update(0.9, frame_at(9))
    assert clear is not None and clear.kind == "clear" and clear.duration_s is None


def test_a_rule_that_goes_ends_its_alarm_with_what_it_saw_last() -> None:
    watch = RuleState(rule(frames=1), "front")
    assert watch.retire() is None
    run(watch, 0.1, 0.2)
    event = watch.retire()
    assert event is not None and (event.kind, event.value, event.frame_seq) == ("clear", 0.2, 1)
    assert watch.retire() is None


def test_values_are_shares_of_the_region_or_the_nearest_sector() -> None:
    counts = np.zeros(12, np.int64)
    counts[[CAMVID_11.index("Road"), 11]] = [30, 70]
    region = Region(counts, np.zeros(12), FreeSpace((9, 4, 7), (12.5, 3.5, 8.0)))
    assert value_of(rule(), region, CAMVID_11) == 0.3
    assert value_of(rule(**{"class": "road"}), region, CAMVID_11) == 0.3
    assert value_of(rule(**{"class": None, "free": "metres"}), region, CAMVID_11) == 3.5
    metres = RuleState(rule(**{"class": None, "free": "metres", "frames": 1, "below": 9}), "front").update(
        3.5, frame_at(0)
    )
    assert metres is not None and metres.measure == "metres" and metres.class_name is None
    assert value_of(rule(**{"class": None, "free": "rows"}), region, CAMVID_11) == 4.0


def test_what_was_left_on() -> None:
    watch = RuleState(rule(frames=1), "front")
    start, clear = watch.update(0.1, frame_at(0)), watch.update(0.9, frame_at(1))
    assert start is not None and clear is not None
    assert left_on([start], "road-lost", "front") and not left_on([clear, start], "road-lost", "front")
    assert not left_on([start], "road-lost", "rear") and not left_on([], "road-lost", "front")
