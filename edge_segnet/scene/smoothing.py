"""Against edges that blink: two filters in time, per pixel, and a figure of how much the labels flicker."""

from __future__ import annotations

import math
from collections import deque
from typing import Final, Protocol

import numpy as np

from edge_segnet.core.types import Labels
from edge_segnet.settings.regions import SteadyConfig

PAUSE_S: Final = 1.0
"""After a longer pause, what was seen before is no evidence any more."""


class TemporalFilter(Protocol):
    """Labels in, steadier labels out; they may change their size between frames."""

    def steady(self, labels: Labels, at_ns: int) -> Labels:
        """``labels`` uint8 [H,W] of a moment (monotonic, ns) -> a new array of the same shape."""
        ...


def make(config: SteadyConfig) -> TemporalFilter:
    """The filter that the settings ask for."""
    return Majority(config.frames) if config.method == "majority" else Exponential(config.time_s)


class Exponential:
    """The class with the largest exponentially weighted vote, with a time constant in seconds.

    Each pixel keeps one class and its lead over the others: the lead decays, grows with a vote for the class, shrinks
    with one against it, and when it is used up the newcomer takes over (an exponential form of Boyer and Moore's
    majority vote, "MJRTY", 1981). With two classes in play this is exactly the weighted vote; with more, a class that
    has less than half of the votes may lose a little early. A lasting change shows after ln 2 time constants.
    """

    def __init__(self, time_s: float) -> None:
        self._time_s = time_s
        self._kept: Labels | None = None
        self._lead = self._votes = np.empty(0, np.float32)
        self._at_ns = 0

    def steady(self, labels: Labels, at_ns: int) -> Labels:
        """As ``TemporalFilter``."""
        past_s = (at_ns - self._at_ns) / 1e9
        self._at_ns = at_ns
        if self._kept is None or self._kept.shape != labels.shape or not 0.0 <= past_s <= PAUSE_S:
            self._kept = labels.copy()
            self._lead = np.zeros(labels.shape, np.float32)
            self._votes = np.empty(labels.shape, np.float32)
            return labels
        decay = math.exp(-past_s / self._time_s)
        vote = 1.0 - decay
        np.multiply(labels == self._kept, np.float32(2.0 * vote), out=self._votes)
        self._votes -= np.float32(vote)
        self._lead *= np.float32(decay)
        self._lead += self._votes
        np.copyto(self._kept, labels, where=self._lead < 0.0)
        np.abs(self._lead, out=self._lead)
        return np.array(self._kept)


class Majority:
    """The class that most of the last frames say; of several, the newest frame's. A lasting change shows when it has
    the majority: in the second of 3 frames.
    """

    def __init__(self, frames: int) -> None:
        self._seen: deque[Labels] = deque(maxlen=frames)
        self._at_ns = 0

    def steady(self, labels: Labels, at_ns: int) -> Labels:
        """As ``TemporalFilter``."""
        past_s = (at_ns - self._at_ns) / 1e9
        self._at_ns = at_ns
        if self._seen and (self._seen[0].shape != labels.shape or not 0.0 <= past_s <= PAUSE_S):
            self._seen.clear()
        self._seen.appendleft(labels)
        votes = [np.zeros(labels.shape, np.uint8) for _ in self._seen]
        for first in range(len(self._seen)):
            for second in range(first + 1, len(self._seen)):
                agree = (self._seen[first] == self._seen[second]).view(np.uint8)
                votes[first] += agree
                votes[second] += agree
        winner, most = np.array(labels), votes[0]
        for candidate, count in zip(list(self._seen)[1:], votes[1:], strict=True):
            np.copyto(winner, candidate, where=count > most)
            np.maximum(most, count, out=most)
        return winner


class FlickerMeter:
    """Share of pixels that left their class for one frame and came back: what moves goes on, what blinks returns."""

    def __init__(self) -> None:
        self._before: deque[Labels] = deque(maxlen=2)
        self._share = 0.0
        self._at_ns = 0

    @property
    def share(self) -> float:
        """As the last frame left it."""
        return self._share

    def observe(self, labels: Labels, at_ns: int) -> float:
        """Take a frame's labels, which nobody may write to any more; gives the share over the last second or so."""
        past_s = (at_ns - self._at_ns) / 1e9
        self._at_ns = at_ns
        if self._before and (self._before[0].shape != labels.shape or not 0.0 <= past_s <= PAUSE_S):
            self._before.clear()
        if len(self._before) == 2:
            older, last = self._before
            share = np.count_nonzero((labels == older) & (labels != last)) / labels.size
            self._share += (1.0 - math.exp(-past_s)) * (share - self._share)
        self._before.append(labels)
        return self._share
