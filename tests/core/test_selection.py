"""Choosing few of many."""

from __future__ import annotations

import numpy as np
import pytest

from edge_segnet.core.selection import farthest, normalised, rarity, shares_by_need, spread, without_duplicates


def test_nothing_is_taken_twice() -> None:
    rng = np.random.default_rng(0)
    films = rng.integers(0, 256, (4, 24, 32)).astype(np.uint8)
    thumbs = np.concatenate([films, np.clip(films.astype(int) + 3, 0, 255).astype(np.uint8)])  # the same, brighter
    order = [5, 1, 2, 0, 6, 7, 3, 4]
    assert without_duplicates(order, thumbs, 10) == [5, 2, 0, 7]
    assert without_duplicates(order, thumbs, 2) == [5, 2]
    assert without_duplicates(order, thumbs, 10, near=1.01) == order
    flat = np.full((3, 24, 32), 9, np.uint8)
    assert without_duplicates([0, 1, 2], flat, 3) == [0, 1, 2]  # of one colour: like none
    assert np.abs(normalised(flat)).max() == 0


def test_the_farthest_come_first() -> None:
    """Three heaps: one of each, before a second one of any."""
    rng = np.random.default_rng(1)
    heaps = np.array([[0, 0], [9, 0], [0, 9]], np.float32).repeat(5, 0) + rng.normal(0, 0.1, (15, 2)).astype(np.float32)
    order = farthest(heaps, 7)
    assert order[0] == 7 and sorted(order) == list(range(15))
    assert {place // 5 for place in order[:3]} == {0, 1, 2}
    worth = [1.0 if place < 10 else 0.0 for place in range(15)]
    assert all(place < 10 for place in farthest(heaps, 7, worth)[:10])  # what is far and of no worth comes last
    assert farthest(np.ones((4, 3), np.float32), 0) == [0, 1, 2, 3]  # all alike: each once


def test_no_group_takes_all() -> None:
    groups = [("r1", "r1/a")] * 8 + [("r1", "r1/b")] * 2 + [("r2", "r2/c")] * 2
    assert spread(list(range(12)), groups, 4) == [0, 1, 10, 11]  # of four a drive and a robot have two at most
    assert spread(list(range(8)), groups, 4) == [0, 1, 2, 3]  # nobody else has anything
    assert len(spread(list(range(12)), groups, 12)) == 12
    assert spread([3, 1], groups, 9) == [3, 1]


def test_a_drive_in_need_gets_more_and_the_others_still_some() -> None:
    groups = [(f"d{place // 10}",) for place in range(40)]
    scores = [0.5 if place < 10 else 0.05 for place in range(40)]
    found = spread(sorted(range(40), key=lambda place: -scores[place]), groups, 16, scores)
    held = [sum(groups[place] == (f"d{drive}",) for place in found) for drive in range(4)]
    assert held == [10, 2, 2, 2]  # half of 16 by need, and an eighth of 16 evenly
    assert shares_by_need([("a", 0.1), ("b", 0.1)], 4) == {"a": 0.5, "b": 0.5}
    assert sum(shares_by_need([("a", 0.9), ("b", 0.1), ("c", 0.2)], 4).values()) == pytest.approx(1.0)
    assert shares_by_need([], 4) == {}


def test_who_has_the_rare_ones() -> None:
    shares = np.array([[0.9, 0.1, 0.0, 0.0], [0.9, 0.08, 0.02, 0.0], [1.0, 0.0, 0.0, 0.0]])
    found = rarity(shares)
    assert found.argmax() == 1 and found.argmin() == 2
    assert found.sum() == pytest.approx(1.0)
    assert rarity(np.zeros((2, 3))).tolist() == [0.0, 0.0]
