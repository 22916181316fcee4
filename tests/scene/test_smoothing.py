"""Filters in time, and the flicker figure."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_segnet.core.types import Labels
from edge_segnet.scene.smoothing import Exponential, FlickerMeter, Majority, TemporalFilter, make
from edge_segnet.settings.regions import SteadyConfig

FRAME_NS = 33_333_333


def labels_of(*ids: int) -> Labels:
    return np.array([ids], np.uint8)


def run(steadying: TemporalFilter, *frames: int, period_ns: int = FRAME_NS) -> list[int]:
    return [int(steadying.steady(labels_of(label), i * period_ns)[0, 0]) for i, label in enumerate(frames)]


@pytest.mark.parametrize("steadying", [Exponential(0.15), Majority(3), Majority(5)])
def test_a_blink_is_removed_and_a_change_comes_through(steadying: TemporalFilter) -> None:
    seen = run(steadying, *[1] * 12, 2, *[1] * 12, *[3] * 12)
    assert seen[:25] == [1] * 25
    assert seen[-6:] == [3] * 6 and sum(label == 1 for label in seen[25:]) in (1, 2, 3, 4)


def test_a_change_shows_after_ln_2_time_constants() -> None:
    seen = run(Exponential(0.3), *[1] * 300, *[2] * 60, period_ns=10_000_000)
    late_s = sum(label == 1 for label in seen[300:]) * 0.01
    assert late_s == pytest.approx(0.3 * np.log(2), abs=0.011)


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.floats(0.02, 1.0))
def test_between_two_classes_it_is_the_weighted_vote(frames: list[bool], time_s: float) -> None:
    steadying = Exponential(time_s)
    votes = np.zeros(2)
    decay = np.exp(-FRAME_NS / 1e9 / time_s)
    for index, label in enumerate(frames):
        shown = int(steadying.steady(labels_of(int(label)), index * FRAME_NS)[0, 0])
        if index:  # the first frame only says where to begin
            votes *= decay
            votes[int(label)] += 1 - decay
            if abs(votes[0] - votes[1]) > 1e-4:
                assert shown == int(votes[1] > votes[0])


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(3, 9))
def test_majority_is_the_most_frequent_of_the_last_frames(frames: list[int], span: int) -> None:
    for index, shown in enumerate(run(Majority(span), *frames)):
        window = frames[max(0, index - span + 1) : index + 1]
        most = max(window.count(label) for label in window)
        newest = next(label for label in reversed(window) if window.count(label) == most)
        assert shown == newest


@pytest.mark.parametrize("method", ["exponential", "majority"])
def test_a_new_size_or_a_pause_begins_anew(method: str) -> None:
    steadying = make(SteadyConfig(method=method))  # type: ignore[arg-type]
    run(steadying, *[1] * 20)
    assert steadying.steady(labels_of(2, 2), 20 * FRAME_NS).tolist() == [[2, 2]]
    for index in range(20):
        steadying.steady(labels_of(1, 1), (21 + index) * FRAME_NS)
    assert steadying.steady(labels_of(3, 3), 100 * FRAME_NS).tolist() == [[3, 3]]


@pytest.mark.parametrize("steadying", [Exponential(0.15), Majority(3)])
def test_what_was_given_out_is_never_written_again(steadying: TemporalFilter) -> None:
    rng = np.random.default_rng(0)
    given_out = []
    for index in range(12):
        found = steadying.steady(rng.integers(0, 3, (8, 8), np.uint8), index * FRAME_NS)
        given_out.append((found, found.copy()))
    assert all(np.array_equal(found, copy) for found, copy in given_out)


def test_flicker_counts_what_comes_back_not_what_moves() -> None:
    still, moving, blinking = FlickerMeter(), FlickerMeter(), FlickerMeter()
    for index in range(200):
        at_ns = index * FRAME_NS
        picture = np.zeros((10, 10), np.uint8)
        assert still.observe(picture, at_ns) == 0.0
        passing = picture.copy()
        passing[:, index // 20 :] = 1  # an edge that goes to the right
        assert moving.observe(passing, at_ns) == 0.0
        blink = picture.copy()
        blink[0, :] = index % 2  # a tenth of the picture
        share = blinking.observe(blink, at_ns)
    assert share == pytest.approx(0.1, rel=0.01)
