"""Where the camera is, and where a point of the street falls in its picture.

Street coordinates, in metres: ``s`` along the street's centre line, ``t`` across it (right is positive), ``h`` above
the road. The street bends: at small angles a bend only moves things sideways, so a point at depth z = s - s_camera
stands at x = t + Y(s) - Y(s0) - z * Y'(s0) - t_camera, where Y is the centre line in a map. The rest is a pinhole:
u = cx + f * x / z, v = cy + f * (eye - h) / z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_segnet.street.dice import Dice

Floats = NDArray[np.float64]
FRAMES_PER_SECOND = 30.0
FAR_M = 155.0
"""Nothing but the skyline is drawn beyond."""
EYE_M = 1.42
"""Of the lens above the road."""
_BEHIND_M = 24


class Course:
    """The centre line Y(s): a sum of sines, so that every metre of an endless street is known in closed form."""

    def __init__(self, seed: int) -> None:
        dice = Dice(seed, 0xC0)
        self._waves = [
            (dice.span(0.7, 1.3) * amplitude, dice.span(0.8, 1.25) * length, dice.span(0.0, 2.0 * math.pi))
            for amplitude, length in ((1.6, 48.0), (6.0, 92.0), (20.0, 190.0))
        ]

    def offset(self, s: Floats) -> Floats:
        """Y(s) in metres."""
        total = np.zeros_like(s)
        for amplitude, length, phase in self._waves:
            total += amplitude * np.sin(s / length + phase)
        return total

    def slope(self, s: float) -> float:
        """Y'(s), which is the street's heading in radians at these small angles."""
        return sum(a / length * math.cos(s / length + phase) for a, length, phase in self._waves)


@dataclass(frozen=True)
class Drive:
    """The car that carries the camera: about 10 m/s, never the same twice within an hour."""

    speed_phase: float
    sway_phase: float
    eye_m: float

    @staticmethod
    def of(seed: int, eye_m: float = EYE_M) -> Drive:
        dice = Dice(seed, 0xD1)
        return Drive(dice.span(0.0, 6.28), dice.span(0.0, 6.28), eye_m)

    def travelled_m(self, time_s: float) -> float:
        """Metres along the street after ``time_s``: 10 m/s with a slow ±1.6 m/s."""
        return 10.0 * time_s + 10.0 * math.sin(0.16 * time_s + self.speed_phase)

    def across_m(self, time_s: float) -> float:
        """Where in its lane the camera is; traffic keeps left."""
        return -1.5 + 0.22 * math.sin(0.41 * time_s + self.sway_phase) + 0.1 * math.sin(0.97 * time_s)

    def yaw_rad(self, time_s: float) -> float:
        return 0.014 * math.sin(0.53 * time_s + 1.3 * self.sway_phase) + 0.003 * math.sin(3.1 * time_s)

    def pitch_rad(self, time_s: float) -> float:
        return (
            0.004 * math.sin(0.7 * time_s)
            + 0.0022 * math.sin(5.3 * time_s + self.sway_phase)
            + 0.001 * math.sin(13.0 * time_s)
        )


class View:
    """The pinhole camera of one frame; lengths in metres, picture coordinates in pixels."""

    def __init__(self, size: tuple[int, int], course: Course, drive: Drive, index: int) -> None:
        self.width, self.height = size
        self.time_s = index / FRAMES_PER_SECOND
        self.s = drive.travelled_m(self.time_s)
        self.t = drive.across_m(self.time_s)
        self.eye = drive.eye_m
        self.f = 0.86 * self.width
        self.heading = course.slope(self.s)
        self.cx = 0.5 * self.width - self.f * drive.yaw_rad(self.time_s)
        self.cy = 0.505 * self.height + self.f * drive.pitch_rad(self.time_s)
        self._depths = depths = np.arange(-_BEHIND_M, FAR_M + 60.0)
        self.bends = course.offset(self.s + depths) - course.offset(np.array([self.s]))[0] - depths * self.heading
        self._bends: list[float] = self.bends.tolist()

    def bend(self, z: float) -> float:
        """How far the street has moved sideways at depth ``z``, from -24 m to 60 m beyond ``FAR_M``."""
        whole = math.floor(z)
        first, second = self._bends[whole + _BEHIND_M : whole + _BEHIND_M + 2]
        return first + (second - first) * (z - whole)

    def bend_at(self, z: Floats) -> Floats:
        return np.asarray(np.interp(z, self._depths, self.bends), np.float64)

    def point(self, s: float, t: float, h: float) -> tuple[float, float]:
        """(u, v) of one point in front of the camera."""
        z = s - self.s
        scale = self.f / z
        return self.cx + scale * (t + self.bend(z) - self.t), self.cy + scale * (self.eye - h)

    def points(self, s: Floats, t: Floats, h: Floats) -> Floats:
        """[...,2] picture coordinates of points in front of the camera."""
        z = s - self.s
        scale = self.f / z
        out = np.empty((*z.shape, 2))
        out[..., 0] = self.cx + scale * (t + self.bend_at(z) - self.t)
        out[..., 1] = self.cy + scale * (self.eye - h)
        return out
