"""Choose few of many: nothing twice, spread over groups, as different as can be. Numbers only."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

NEAR: Final = 0.97
"""Correlation of two 32x24 grey thumbnails from which on two pictures are one. CamVid's labelled frames, a second apart
in one film, reach 0.997; between its training and validation frames, from other stretches of the films, nothing exceeds
0.91.
"""
POOL: Final = 3
"""Candidates for each place: of that many best ones the most different are taken."""
SEEN: Final = 10
"""Frames for each place that are compared with each other: 2,000 of them take a second."""


def normalised(thumbs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Thumbnails [N,h,w] as rows [N,h*w] of mean 0 and length 1, so that their products are correlations; a picture of
    one colour is like none.
    """
    rows = thumbs.reshape(len(thumbs), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-3), np.float32)


def without_duplicates(order: Sequence[int], thumbs: NDArray[np.uint8], most: int, near: float = NEAR) -> list[int]:
    """Go through ``order`` (the best first) and leave out what looks like one that was taken; at most ``most``.

    Args:
        thumbs: uint8 [N,h,w].
        near: correlation from which on two are one.
    """
    rows = normalised(thumbs)
    taken: list[int] = []
    kept = np.empty((min(most, len(order)), rows.shape[1]), np.float32)
    for place in order:
        if len(taken) == most:
            break
        if taken and float((kept[: len(taken)] @ rows[place]).max()) >= near:
            continue
        kept[len(taken)] = rows[place]
        taken.append(place)
    return taken


def spread(
    order: Sequence[int],
    groups: Sequence[Sequence[str]],
    count: int,
    scores: Sequence[float] | None = None,
) -> list[int]:
    """The first ``count`` of ``order``, but no group with more than its share while others have something to give.

    Args:
        order: places, the best first.
        groups: of every place its groups, the largest first (robot, drive).
        count: how many.
        scores: of every place; groups in need get larger shares then (``shares_by_need``), else all the same.
    """
    levels = len(groups[0]) if groups else 0
    limits = []
    for level in range(levels):
        named = [(groups[place][level], 0.0 if scores is None else scores[place]) for place in order]
        limits.append({name: math.ceil(count * share) for name, share in shares_by_need(named, count).items()})
    held: list[Counter[str]] = [Counter() for _ in limits]
    taken, late = list[int](), list[int]()
    for place in order:
        if len(taken) == count:
            return taken
        names = groups[place]
        if any(held[level][names[level]] >= limit[names[level]] for level, limit in enumerate(limits)):
            late.append(place)
            continue
        taken.append(place)
        for level, counter in enumerate(held):
            counter[names[level]] += 1
    return taken + late[: count - len(taken)]


def shares_by_need(scored: Sequence[tuple[str, float]], count: int) -> dict[str, float]:
    """What share of ``count`` places each group should have: half of all evenly, half by how far its best scores, as
    many as an even share has, lie above the median of all. A group that is like the others gets few more than half an
    even share, and one that the model fails on gets several.

    Args:
        scored: (group, score) of every candidate.
        count: places in all.
    """
    found: dict[str, list[float]] = {}
    for name, score in scored:
        found.setdefault(name, []).append(score)
    if not found:
        return {}
    middle, best = float(np.median([score for _, score in scored])), math.ceil(count / len(found))
    need = {name: float(np.mean(sorted(each)[-best:])) - middle for name, each in found.items()}
    total = sum(max(each, 0.0) for each in need.values())
    even = 1.0 / len(found)
    return {name: 0.5 * even + 0.5 * (max(each, 0.0) / total if total > 0.0 else even) for name, each in need.items()}


def farthest(features: NDArray[np.float32], first: int, worth: Sequence[float] | None = None) -> list[int]:
    """Every row [N,K] in the order of greedy k-centre (Sener and Savarese 2018, arXiv 1708.00489, algorithm 1): each is
    the one that is farthest from all before it; the features are brought to one scale. With ``worth`` [N], each >= 0,
    a row's distance counts as many times: what is unlike and of no worth does not come before what is worth much.
    """
    scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-6)
    values = np.ones(len(features)) if worth is None else np.asarray(worth, np.float64)
    values = np.maximum(values / max(float(values.max()), 1e-12), 1e-6)
    distances = np.full(len(features), np.inf)
    order, place = list[int](), first
    while True:
        order.append(place)
        distances = np.minimum(distances, np.square(scaled - scaled[place]).sum(axis=1))
        distances[place] = -1.0  # also of rows that are equal: never twice
        if len(order) == len(features):
            return order
        place = int(np.where(distances < 0.0, -1.0, distances * values).argmax())


def rarity(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of frames with class shares [N,C]: how much of the rare classes each one holds. A class counts by the share of
    its pixels that lie in this frame, so that a frame with half of all cyclists is worth as much as one with half of
    all the poles.
    """
    totals = shares.sum(axis=0)
    parts = np.divide(shares, totals, out=np.zeros_like(shares), where=totals > 0)
    return np.asarray(parts.sum(axis=1) / max(int((totals > 0).sum()), 1))
