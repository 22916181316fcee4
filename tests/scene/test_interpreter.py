"""What the loop makes of labels: regions counted, filter, rules, events with pictures, what a reload keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_segnet.core.classes import CAMVID_11, ClassMap
from edge_segnet.core.errors import SettingsError
from edge_segnet.core.margins import UNCERTAIN
from edge_segnet.core.polygons import mask_of
from edge_segnet.core.types import Frame, Labels, Refined, Segmentation
from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.events import EventLog
from edge_segnet.scene.ground import CameraGeometry
from edge_segnet.scene.interpreter import Network, Postprocessor, check
from edge_segnet.scene.regions import RegionCounter, Smoothed
from edge_segnet.settings.regions import RegionConfig
from edge_segnet.settings.schema import Config
from edge_segnet.sinks.registry import load
from tests.support.results import frame_of
from tests.support.waiting import wait_until

SIZE = (64, 48)
NETWORK = Network(CAMVID_11, SIZE, "stretch")
ROAD, CAR = CAMVID_11.index("Road"), CAMVID_11.index("Car")
LEFT = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
SLANTED = [[0.3, 0.95], [0.7, 0.95], [0.55, 0.6], [0.45, 0.6]]
LOST = {"name": "lost", "region": "left", "class": "Road", "below": 0.4, "frames": 2, "clear_above": 0.5}


def settings(**sections: Any) -> Config:
    return Config.model_validate(
        {"cameras": {"front": {"source": "0"}}, "regions": {"left": {"polygon": LEFT}}, **sections}
    )


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    made = EventLog(tmp_path / "events")
    yield made
    made.close()


def step(refiner: Postprocessor, labels: Labels, seq: int, period_ns: int = 100_000_000, whole: bool = True) -> Refined:
    frame = dataclasses.replace(frame_of(seq, size=SIZE), captured_ns=seq * period_ns, whole=whole)
    return refiner(frame, segmented(frame, labels))


def segmented(_frame: Frame, labels: Labels) -> Segmentation:
    counts = np.bincount(np.minimum(labels, 11).ravel(), minlength=12).astype(np.int64)
    return Segmentation(labels, counts, 0.25, {"network": 1.0}, classes=CAMVID_11)


def filled(label: int) -> Labels:
    return np.full((SIZE[1], SIZE[0]), label, np.uint8)


def noise(seed: int) -> Labels:
    return np.random.default_rng(seed).integers(0, 14, (SIZE[1], SIZE[0]), np.uint8)


def test_regions_are_counted_pixel_by_pixel(log: EventLog) -> None:
    regions = {"left": {"polygon": LEFT}, "slanted": {"polygon": SLANTED}}
    refiner = Postprocessor("front", settings(regions=regions), NETWORK, Alarms(log))
    for seed in range(5):
        labels = noise(seed)
        found = step(refiner, labels, seed).regions
        for name, region in regions.items():
            inside = np.minimum(labels[mask_of(region["polygon"], SIZE)], 11)
            assert np.array_equal(found[name].counts, np.bincount(inside, minlength=12))


def test_shares_follow_with_their_time_constant(log: EventLog) -> None:
    refiner = Postprocessor(
        "front", settings(regions={"left": {"polygon": LEFT, "smooth_s": 2.0}}), NETWORK, Alarms(log)
    )
    assert step(refiner, filled(CAR), 0).regions["left"].smoothed[CAR] == 1.0
    for seq in range(1, 21):
        smoothed = step(refiner, filled(ROAD), seq).regions["left"].smoothed
    assert smoothed[ROAD] == pytest.approx(1 - np.exp(-1.0)) and smoothed.sum() == pytest.approx(1.0)


def test_a_picture_that_is_not_whole_moves_nothing_but_its_own_counts(log: EventLog) -> None:
    """With ``on_damage: flag`` it is segmented; no rule begins or ends, and nothing that looks back learns from it."""
    regions = {"left": {"polygon": LEFT, "smooth_s": 2.0}}
    config = settings(regions=regions, rules=[LOST | {"clear_frames": 2}], steady={"method": "majority", "frames": 3})
    seen, blind = (Postprocessor("front", config, NETWORK, Alarms(log)) for _ in range(2))
    for seq in range(6):
        step(seen, filled(ROAD), seq)
        before = step(blind, filled(ROAD), seq)
    for seq in range(6, 12):
        smeared = step(blind, filled(CAR), seq, whole=False)
        left = smeared.regions["left"]
        assert left.counts[CAR] == left.counts.sum() and smeared.segmentation.counts[CAR] == filled(CAR).size
        assert np.array_equal(left.smoothed, before.regions["left"].smoothed)
        assert (smeared.alarms, smeared.flicker) == ((), before.flicker)
    assert not log.newest()
    for seq in range(12, 15):  # as if nothing had been
        assert np.array_equal(
            step(blind, noise(seq), seq).segmentation.labels, step(seen, noise(seq), seq).segmentation.labels
        )
    for seq in range(15, 25):
        on = step(blind, filled(CAR), seq).alarms
    assert on == ("lost",)
    for seq in range(25, 30):
        assert step(blind, filled(ROAD), seq, whole=False).alarms == ("lost",)


def test_a_region_belongs_to_its_cameras(log: EventLog) -> None:
    config = settings(
        cameras={"front": {"source": "0"}, "rear": {"source": "1"}},
        regions={"left": {"polygon": LEFT, "cameras": ["rear"]}, "both": {"polygon": LEFT}},
        rules=[LOST],
    )
    assert set(step(Postprocessor("front", config, NETWORK, Alarms(log)), filled(CAR), 0).regions) == {"both"}
    assert set(step(Postprocessor("rear", config, NETWORK, Alarms(log)), filled(CAR), 0).regions) == {"left", "both"}


def test_an_event_is_frame_exact_and_has_its_picture(log: EventLog) -> None:
    refiner = Postprocessor("front", settings(rules=[LOST]), NETWORK, Alarms(log))
    alarms = [step(refiner, filled(label), seq).alarms for seq, label in enumerate([ROAD, CAR, CAR, ROAD])]
    assert alarms == [(), (), ("lost",), ()]
    wait_until(lambda: len(log.newest()) == 2)
    start, clear = log.since("")
    assert (start.frame_seq, start.kind, clear.frame_seq, clear.kind) == (2, "start", 3, "clear")
    assert (start.value, clear.value, clear.duration_s) == (0.0, 1.0, 0.1)
    picture = cv2.imdecode(np.frombuffer(log.snapshot(str(start.snapshot)) or b"", np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape == (48, 64, 3)
    expected = (np.array(CAMVID_11.colours[CAR][::-1]) + 42) / 2  # half of it, over the second frame's grey
    assert np.abs(picture[24, 50] - expected).max() < 12
    assert picture[24, 31].max() > 180, "the region's edge"


def test_a_snapshot_has_the_cameras_proportions(log: EventLog) -> None:
    refiner = Postprocessor("front", settings(rules=[{**LOST, "frames": 1}]), NETWORK, Alarms(log))
    frame = dataclasses.replace(frame_of(0, size=SIZE), scaled_from=(1920, 1080))
    refiner(frame, segmented(frame, filled(CAR)))
    wait_until(lambda: log.newest())
    picture = cv2.imdecode(np.frombuffer(log.snapshot(str(log.newest()[0].snapshot)) or b"", np.uint8), 1)
    assert picture is not None and picture.shape[:2] == (48, 85)


@pytest.mark.parametrize("classes", [1, 11, 127, 128, 255])
def test_a_region_counts_its_uncertain_pixels_of_any_class(classes: int) -> None:
    rng = np.random.default_rng(classes)
    names = tuple(f"c{number}" for number in range(classes))
    known = ClassMap("many", names, tuple((number, 1, 2) for number in range(classes)))
    labels = rng.integers(0, classes + 1, (48, 64), np.uint8)  # C is void
    margins = rng.integers(0, 2 * UNCERTAIN, labels.shape, np.uint8)
    counted = np.bincount(labels.ravel(), minlength=classes + 1)
    segmentation = Segmentation(labels, counted, None, {}, classes=known, margins=margins)
    counter = RegionCounter(RegionConfig.model_validate({"polygon": LEFT}), known, SIZE, Smoothed(1.0))
    region = counter.measure(frame_of(0, size=SIZE), segmentation, CameraGeometry(SIZE, SIZE, "stretch"), None)
    inside = mask_of(LEFT, SIZE) > 0
    unsure = labels[inside & (margins < UNCERTAIN)]
    assert np.array_equal(region.counts, np.bincount(labels[inside], minlength=classes + 1))
    assert region.uncertain is not None
    assert np.array_equal(region.uncertain, np.bincount(unsure, minlength=classes + 1)[:classes])


def test_uncertain_pixels_are_counted_by_region_and_after_the_filter(log: EventLog) -> None:
    rules = [
        {"name": "unsure", "region": "left", "class": "Road", "uncertain": True, "above": 0.3, "snapshot": False},
        {"name": "strange", "unfamiliar": True, "above": 0.5, "snapshot": False},
    ]
    steady = {"method": "majority", "frames": 3}
    refiner = Postprocessor("front", settings(rules=rules, steady=steady), NETWORK, Alarms(log))
    margins = np.full((SIZE[1], SIZE[0]), 200, np.uint8)
    margins[:, ::2] = 3
    frame = dataclasses.replace(frame_of(0, size=SIZE), captured_ns=0)
    found = dataclasses.replace(segmented(frame, filled(ROAD)), margins=margins, unfamiliar=0.9)
    refined = refiner(frame, found)
    assert refined.alarms == ("unsure", "strange")
    uncertain = refined.segmentation.uncertain
    assert uncertain is not None and uncertain[ROAD] == margins.size // 2 and uncertain.sum() == uncertain[ROAD]
    region = refined.regions["left"]
    assert region.uncertain is not None
    assert region.uncertain[ROAD] / region.counts[ROAD] == pytest.approx(0.5, abs=0.05)


def test_a_rule_that_has_nothing_to_look_at_says_so_once(log: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    refiner = Postprocessor(
        "front", settings(rules=[{"name": "strange", "unfamiliar": True, "above": 0.5}]), NETWORK, Alarms(log)
    )
    for seq in range(3):
        assert step(refiner, filled(ROAD), seq).alarms == ()
    assert [record.message for record in caplog.records] == [
        "front: rule strange has nothing to look at: the model does not say; edge-segnet evaluate --calibrate makes a "
        "copy that does"
    ]


def test_the_filter_recounts_and_both_flickers_are_told(log: EventLog) -> None:
    refiner = Postprocessor("front", settings(steady={"method": "majority", "frames": 3}), NETWORK, Alarms(log))
    blinking = filled(ROAD)
    blinking[0] = CAR
    for seq in range(40):
        refined = step(refiner, blinking if seq % 2 else filled(ROAD), seq, 33_000_000)
        if seq % 2 == 0 and seq:
            assert refined.segmentation.counts[ROAD] == 64 * 47 + 64
    assert refined.segmentation.low_margin == 0.25 and not refined.segmentation.labels.flags.writeable
    assert np.array_equal(refined.segmentation.counts, np.bincount(refined.segmentation.labels.ravel(), minlength=12))
    assert refined.flicker is not None and refined.flicker.steady is not None
    assert refined.flicker.raw > 0.01 and refined.flicker.steady <= refined.flicker.raw
    off = Postprocessor("front", settings(), NETWORK, Alarms(log))
    untouched = step(off, blinking, 0)
    assert untouched.segmentation.labels is blinking and untouched.flicker is not None
    assert untouched.flicker.steady is None


def test_a_reload_keeps_alarms_and_smoothing_and_ends_what_is_gone(log: EventLog) -> None:
    config = settings(rules=[LOST, {**LOST, "name": "gone"}])
    stricter = {**LOST, "frames": 1, "clear_frames": 2}
    alarms = Alarms(log)
    first = Postprocessor("front", config, NETWORK, alarms)
    for seq in range(3):
        step(first, filled(CAR), seq)
    second = Postprocessor("front", settings(rules=[stricter]), NETWORK, alarms, first)
    alarms.want(second.watched)
    alarms.settle()
    refined = step(second, filled(ROAD), 3)
    assert refined.alarms == ("lost",) and 0 < refined.regions["left"].smoothed[ROAD] < 0.2
    assert step(second, filled(ROAD), 4).alarms == ()
    wait_until(lambda: len(log.newest()) == 4)
    assert [(event.rule, event.kind, event.frame_seq) for event in log.since("")] == [
        ("lost", "start", 1),
        ("gone", "start", 1),
        ("gone", "clear", 2),
        ("lost", "clear", 4),
    ]
    assert log.newest(1)[0].duration_s == pytest.approx(0.3)


def test_a_restart_does_not_start_an_alarm_twice(tmp_path: Path) -> None:
    labels: Mapping[str, Labels] = {"bad": filled(CAR), "good": filled(ROAD)}
    log = EventLog(tmp_path)
    refiner = Postprocessor("front", settings(rules=[LOST]), NETWORK, Alarms(log))
    for seq in range(3):
        step(refiner, labels["bad"], seq)
    log.close()
    log = EventLog(tmp_path)
    refiner = Postprocessor("front", settings(rules=[LOST]), NETWORK, Alarms(log))
    assert step(refiner, labels["bad"], 0).alarms == ("lost",)
    step(refiner, labels["bad"], 1)
    step(refiner, labels["good"], 2)
    log.close()
    log = EventLog(tmp_path)
    assert [event.kind for event in log.since("")] == ["start", "clear"]
    log.close()


def test_free_distance_of_a_region(log: EventLog) -> None:
    region = {"polygon": LEFT, "free": {"classes": ["Road"], "sectors": 2}}
    cameras = {"front": {"source": "0", "mount": {"height_m": 1.0, "focal_px": 32}}}
    rules = [{"name": "blocked", "region": "left", "free": "metres", "below": 3}]
    refiner = Postprocessor(
        "front", settings(regions={"left": region}, cameras=cameras, rules=rules), NETWORK, Alarms(log)
    )
    labels = filled(ROAD)
    labels[:30, :16] = CAR
    refined = step(refiner, labels, 0)
    free = refined.regions["left"].free
    assert free is not None and free.rows == (18, 48) and free.metres is not None
    # Row 30 begins 6 pixels below the middle, the sector's middle is 24 to the left of it.
    assert free.metres[0] == pytest.approx(32 / 6 * np.hypot(1, 24 / 32)) and refined.alarms == ()
    labels = filled(ROAD)
    labels[40:, :16] = CAR
    assert step(refiner, labels, 1).alarms == ("blocked",)


def test_a_class_that_the_model_has_not_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(
        f"regions: {{a: {{polygon: {LEFT}}}}}\nrules:\n- name: r\n  region: a\n  class: Rode\n  below: 0.4\n"
    )
    with pytest.raises(
        SettingsError, match=r"c\.yaml:5: rules\[0\]\.class: the model has no class 'Rode': camvid-11 has"
    ):
        check(load(path), NETWORK)
