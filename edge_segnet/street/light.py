"""The day: bright, overcast and low sun follow each other slowly. Colours are BGR, 1.0 is neutral."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_segnet.street.dice import Dice

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class _Mood:
    sun: float
    haze: tuple[float, float, float]
    haze_per_m: float
    zenith: tuple[float, float, float]
    cloud: tuple[float, float, float]
    lit: tuple[float, float, float]
    shaded: tuple[float, float, float]
    cover: float
    shadow: float


_BRIGHT = _Mood(
    1.0, (238, 226, 214), 0.0026, (218, 182, 142), (250, 248, 246), (0.96, 1.04, 1.1), (0.80, 0.73, 0.68), 0.25, 0.46
)
_OVERCAST = _Mood(
    0.0, (236, 234, 232), 0.0042, (226, 220, 214), (248, 247, 246), (0.9, 0.9, 0.9), (0.86, 0.85, 0.84), 0.7, 0.92
)
_LOW_SUN = _Mood(
    0.55, (186, 205, 226), 0.0030, (176, 148, 118), (206, 214, 236), (0.62, 0.73, 0.86), (0.45, 0.43, 0.42), 0.5, 0.62
)


@dataclass(frozen=True)
class Light:
    """The light of one frame.

    ``left``/``right`` multiply what faces the street from that side, ``facing`` what faces the camera, ``ground`` the
    road. A thing of height h throws its shadow h * ``lean`` metres across and h * ``reach`` metres along the street.
    """

    sun: float
    haze: Vector
    haze_per_m: float
    zenith: Vector
    cloud: Vector
    cover: float
    left: Vector
    right: Vector
    facing: Vector
    ground: Vector
    shadow: float
    lean: float
    reach: float

    def veil(self, z: float) -> float:
        """The share of haze in front of something at depth ``z`` metres."""
        return 1.0 - math.exp(-self.haze_per_m * z) if z > 0.0 else 0.0


def light_at(seed: int, time_s: float) -> Light:
    """The light at ``time_s``; a round of all moods takes two minutes."""
    dice = Dice(seed, 0x116)
    phase = 2.0 * math.pi * (time_s / 120.0 + dice.unit())
    side = 1.0 if dice.chance(0.5) else -1.0
    peaks = [math.exp(2.6 * math.cos(phase - k * 2.0 * math.pi / 3.0)) for k in range(3)]
    weights = [peak / sum(peaks) for peak in peaks]

    def blend(name: str) -> Vector:
        parts = [w * np.asarray(getattr(mood, name), dtype=np.float64) for w, mood in zip(weights, _MOODS, strict=True)]
        return np.asarray(np.sum(parts, axis=0), np.float64)

    # The sun crosses from one side of the street to the other over minutes, never standing exactly above it.
    swing = side * math.sin(2.0 * math.pi * time_s / 410.0 + 0.9)
    lit, shaded = blend("lit"), blend("shaded")
    right = 0.5 + 0.5 * swing
    breath = 1.0 + 0.03 * math.sin(0.9 * time_s) * math.sin(0.23 * time_s)
    return Light(
        sun=float(blend("sun")),
        haze=blend("haze"),
        haze_per_m=float(blend("haze_per_m")),
        zenith=blend("zenith"),
        cloud=blend("cloud"),
        cover=float(blend("cover")),
        left=(shaded + (lit - shaded) * right) * breath,
        right=(lit + (shaded - lit) * right) * breath,
        facing=(0.45 * lit + 0.5 * shaded) * breath,
        ground=(0.65 * lit + 0.33 * shaded) * breath,
        shadow=float(blend("shadow")),
        lean=-swing * (0.75 + 0.9 * weights[2]),
        reach=0.35 * math.sin(2.0 * math.pi * time_s / 290.0),
    )


_MOODS = (_BRIGHT, _OVERCAST, _LOW_SUN)
