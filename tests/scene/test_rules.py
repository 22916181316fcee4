"""Rules, frame by frame: hysteresis, dwell, durations, what a restart knows."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11
from edge_segnet.core.types import Frame, FreeSpace, Region, Segmentation
from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.events import Event, EventLog
from edge_segnet.scene.rules import RuleState, value_of
from edge_segnet.settings.regions import RuleConfig
from tests.support.results import frame_of


def rule(**changes: object) -> RuleConfig:
    given = {"name": "road-lost", "region": "ahead", "class": "Road", "below": 0.4, "frames": 3, **changes}
    return RuleConfig.model_validate(given)


def frame_at(seq: int) -> Frame:
    """Ten frames a second."""
    return dataclasses.replace(frame_of(seq), captured_ns=seq * 100_000_000, captured_at=1795378443.0 + seq / 10)


def watching(config: RuleConfig) -> RuleState:
    return RuleState(config, "front", Alarms(EventLog(None)))


def run(watch: RuleState, *values: float, first: int = 0) -> list[tuple[int, str]]:
    """(frame, kind) of each event."""
    events = [watch.update(value, frame_at(first + index)) for index, value in enumerate(values)]
    return [(event.frame_seq, event.kind) for event in events if event is not None]


def test_an_alarm_begins_with_the_frame_that_completes_the_dwell() -> None:
    watch = watching(rule(clear_above=0.5, clear_frames=2))
    low, middle, high = 0.3, 0.45, 0.6
    assert run(watch, high, low, low, high, low, low) == []  # never three in a row
    assert run(watch, low) == [(0, "start")]
    assert run(watch, middle, high, middle, high, middle) == []  # hysteresis, and a dwell of two
    assert run(watch, high, 0.5, first=7) == [(8, "clear")]
    assert run(watch, low, low, middle, low, low) == [], "the count began anew"


def test_events_tell_what_when_and_how_long() -> None:
    watch = watching(rule(frames=1, clear_above=0.5))
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
    watch = watching(rule(frames=1, **changes))
    watch.update(value, frame_at(0))
    assert watch.on is on
    watch.update(watch.config.threshold, frame_at(1))
    assert not watch.on, "and it clears one"


def test_above_clears_below() -> None:
    watch = watching(rule(below=None, above=0.2, frames=2, clear_below=0.1, clear_frames=2))
    assert run(watch, 0.3, 0.3, 0.15, 0.05, 0.15, 0.05, 0.1) == [(1, "start"), (6, "clear")]


def test_values_are_shares_of_the_region_or_the_nearest_sector() -> None:
    counts = np.zeros(12, np.int64)
    counts[[CAMVID_11.index("Road"), 11]] = [30, 70]
    uncertain = np.zeros(11, np.int64)
    uncertain[CAMVID_11.index("Road")] = 12
    region = Region(counts, np.zeros(12), FreeSpace((9, 4, 7), (12.5, 3.5, 8.0)), uncertain)
    labels = np.zeros((1, 1), np.uint8)
    found = Segmentation(labels, counts, 0.1, {}, classes=CAMVID_11, unfamiliar=0.7)
    assert value_of(rule(), region, found) == 0.3
    assert value_of(rule(**{"class": "road"}), region, found) == 0.3
    assert value_of(rule(uncertain=True), region, found) == 0.4
    assert value_of(rule(uncertain=True), dataclasses.replace(region, uncertain=None), found) is None
    strange = rule(**{"class": None, "region": None, "unfamiliar": True, "below": None, "above": 0.5})
    assert (
        value_of(strange, None, found) == 0.7
        and value_of(strange, None, dataclasses.replace(found, unfamiliar=None)) is None
    )
    unsure = rule(**{"class": None, "region": None, "uncertain": True, "below": None, "above": 0.05})
    assert value_of(unsure, None, found) == 0.1 and unsure.measure == "uncertain"
    assert value_of(unsure, None, dataclasses.replace(found, low_margin=None)) is None
    assert value_of(rule(**{"class": None, "free": "metres"}), region, found) == 3.5
    metres = watching(rule(**{"class": None, "free": "metres", "frames": 1, "below": 9})).update(3.5, frame_at(0))
    started = watching(strange.model_copy(update={"frames": 1})).update(0.7, frame_at(0))
    assert started is not None and (started.measure, started.region, started.class_name) == ("unfamiliar", "", None)
    assert metres is not None and metres.measure == "metres" and metres.class_name is None
    assert value_of(rule(**{"class": None, "free": "rows"}), region, found) == 4.0
