"""The rendered street: the same for ever, moving, complete, and marked as what it is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from edge_segnet.core.errors import EndOfStream, UsageError
from edge_segnet.core.types import Labels, Source
from edge_segnet.sources.synthetic import SyntheticSource
from edge_segnet.street import Street

CLASSES = 11


def shares(labels: list[Labels]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    counts = sum((np.bincount(one.ravel(), minlength=256) for one in labels), np.zeros(256, np.int64))
    return np.asarray(counts / counts.sum(), dtype=np.float64)


@pytest.fixture(scope="module")
def street() -> Street:
    return Street()


@pytest.mark.parametrize("size", [(480, 360), (640, 360), (129, 97), (32, 32)])
def test_shapes(size: tuple[int, int]) -> None:
    image, labels = Street(size, seed=3).render(77)
    assert image.shape == (size[1], size[0], 3)
    assert labels.shape == (size[1], size[0])
    assert image.dtype == labels.dtype == np.uint8
    assert image.std() > 15
    assert labels.max() < CLASSES


def test_any_frame_alone_is_the_frame_of_the_sequence(street: Street) -> None:
    fresh = Street()
    for index in (40, 3, 5000, 41):
        fresh.render(index)
    for index in (40, 41, 3):
        alone, sequence = fresh.render(index), street.render(index)
        assert np.array_equal(alone[0], sequence[0])
        assert np.array_equal(alone[1], sequence[1])


def test_results_are_new_arrays(street: Street) -> None:
    first = street.render(10)
    kept = first[0].copy(), first[1].copy()
    street.render(500)
    assert np.array_equal(first[0], kept[0])
    assert np.array_equal(first[1], kept[1])


def test_seeds_differ() -> None:
    size = (160, 120)
    first, second = Street(size, seed=1).render(30), Street(size, seed=2).render(30)
    assert (first[1] != second[1]).mean() > 0.1


def test_it_moves_smoothly(street: Street) -> None:
    for index in (100, 1000, 2345):
        (now, labels), (after, labels_after) = street.render(index), street.render(index + 1)
        much_later = street.render(index + 60)[1]
        assert not np.array_equal(now, after)
        changed = (labels != labels_after).mean()
        assert 0.0 < changed < 0.12
        assert changed < 0.5 * (labels != much_later).mean()
        assert np.abs(now.astype(int) - after).mean() < 25


@pytest.mark.parametrize("seed", [0, 5])
def test_every_class_is_seen_within_ten_seconds(seed: int) -> None:
    street = Street(seed=seed)
    seen = shares([street.render(index)[1] for index in range(600, 900, 15)])
    assert (seen[:CLASSES] > 0).all(), np.flatnonzero(seen[:CLASSES] == 0)


def test_shares_are_those_of_a_street() -> None:
    labels = []
    for seed in range(4):
        street = Street((240, 180), seed=seed)
        labels += [street.render(index)[1] for index in range(0, 8000, 250)]
    found = shares(labels)
    bounds = [
        (0.08, 0.28),  # sky
        (0.14, 0.36),  # building
        (0.004, 0.03),  # pole
        (0.2, 0.42),  # road
        (0.02, 0.16),  # pavement
        (0.05, 0.22),  # tree
        (0.002, 0.025),  # sign
        (0.003, 0.04),  # fence
        (0.02, 0.14),  # car
        (0.002, 0.03),  # pedestrian
        (0.001, 0.02),  # bicyclist
    ]
    for number, (low, high) in enumerate(bounds):
        assert low < found[number] < high, (number, found[number])


def test_light_changes(street: Street) -> None:
    levels = [street.render(index)[0].mean() for index in range(0, 3600, 300)]
    assert max(levels) > 1.25 * min(levels)


def test_a_lower_camera_sees_less_of_the_pavement_and_the_same_horizon() -> None:
    low, car = (Street((160, 120), 3, eye_m).render(30)[1] for eye_m in (0.5, 1.42))
    pavement, sky = 4, 0
    assert 0 < (low == pavement).sum() < 0.7 * (car == pavement).sum()
    assert (low == sky).sum() == pytest.approx((car == sky).sum(), rel=0.3)
    with pytest.raises(UsageError, match="above the road"):
        Street((160, 120), 3, -1.0)


def test_too_small_is_refused() -> None:
    with pytest.raises(UsageError, match="4x4"):
        Street((4, 4))


def test_source_unpaced_gives_every_frame_with_its_truth() -> None:
    source = SyntheticSource((129, 97), seed=4, paced=False, limit=5, camera="front")
    assert isinstance(source, Source)
    street = Street((129, 97), seed=4)
    stamps = []
    for seq in range(5):
        frame = source.read(timeout_s=1.0)
        assert frame is not None
        assert (frame.seq, frame.camera, frame.synthetic, frame.original) == (seq, "front", True, None)
        assert not frame.image.flags.writeable
        image, labels = street.render(seq)
        assert np.array_equal(frame.image, image)
        assert np.array_equal(source.truth(frame.seq), labels)
        stamps.append(frame.captured_ns)
    assert stamps == sorted(stamps)
    with pytest.raises(EndOfStream):
        source.read(timeout_s=1.0)
    assert np.array_equal(source.truth(1000), street.render(1000)[1])
    source.close()
    source.close()


def test_source_paced_waits_for_its_frames() -> None:
    source = SyntheticSource((64, 48), fps=20.0)
    seqs: list[int] = []
    stamps: list[int] = []
    while len(seqs) < 5:
        frame = source.read(timeout_s=1.0)
        assert frame is not None
        seqs.append(frame.seq)
        stamps.append(frame.captured_ns)
    assert seqs == sorted(set(seqs))
    assert all(later > earlier for earlier, later in pairwise(stamps))
    # A frame never comes before it is due: n frames need at least n-1 periods.
    assert (stamps[-1] - stamps[0]) / 1e9 > (seqs[-1] - seqs[0] - 1) / 20.0


def test_source_paced_times_out_and_skips() -> None:
    source = SyntheticSource((64, 48), fps=0.5)
    assert source.read(timeout_s=1.0) is not None
    assert source.read(timeout_s=0.01) is None
    fast = SyntheticSource((64, 48), fps=1000.0, limit=100000)
    first, second = fast.read(1.0), fast.read(1.0)
    assert first is not None
    assert second is not None
    assert second.seq > first.seq


def test_source_rate_does_not_change_the_speed_of_the_drive() -> None:
    slow = SyntheticSource((64, 48), fps=10.0, paced=False)
    frames = [slow.read(1.0) for _ in range(3)]
    last = frames[-1]
    assert last is not None
    assert np.array_equal(last.image, Street((64, 48)).render(6)[0])


@pytest.mark.parametrize(("fps", "limit"), [(0.0, None), (-1.0, None), (float("nan"), None), (30.0, -1)])
def test_source_refuses_nonsense(fps: float, limit: int | None) -> None:
    with pytest.raises(UsageError):
        SyntheticSource((64, 48), fps=fps, limit=limit)
