"""When a new model is worse than the old one."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What makes a new model worse. ``agreement``: least share of pixels that get the old model's class;
    ``class_agreement``: least overlap (intersection over union) of a class of which the old one sees something;
    ``slower``: how many times as rare, and as old, results may be.
    """

    agreement: float = 0.7
    class_agreement: float = 0.2
    slower: float = 1.25
