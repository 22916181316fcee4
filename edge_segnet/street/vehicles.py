"""Vehicles in the street, each seen from its own angle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edge_segnet.street.camera import Floats
from edge_segnet.street.dice import Dice
from edge_segnet.street.meshes import BUSES, CARS, TAIL_LIGHT, VANS, Mesh
from edge_segnet.street.shadows import Shadows
from edge_segnet.street.stage import CAR, Colour, Stage
from edge_segnet.street.things import Key, street_key

_NEAR_M = 0.8
_FINE_PX = 22.0
_PAINTS: tuple[Colour, ...] = (
    (176, 180, 182),
    (150, 154, 158),
    (92, 94, 98),
    (36, 36, 38),
    (54, 46, 44),
    (120, 66, 34),
    (84, 44, 26),
    (44, 36, 140),
    (40, 34, 96),
    (216, 218, 218),
    (200, 204, 206),
    (60, 72, 46),
    (150, 120, 90),
    (164, 168, 170),
    (44, 44, 46),
)
_BUS_PAINTS: tuple[Colour, ...] = ((46, 36, 170), (170, 96, 40), (214, 216, 216), (90, 140, 60))
_MATERIALS: tuple[Colour, ...] = (
    (0, 0, 0),
    (62, 54, 46),
    (30, 30, 31),
    (138, 142, 144),
    (44, 36, 170),
    (226, 232, 232),
    (60, 190, 214),
    (220, 222, 222),
    (46, 46, 48),
)
"""BGR by kind of face; the first is replaced by the vehicle's paint."""


@dataclass
class Vehicle:
    """A vehicle that reaches from ``s`` away from the camera, its middle at ``t``; ``oncoming``: seen from ahead."""

    reach_m: ClassVar[float] = 115.0
    key: Key
    s: float
    t: float
    mesh: Mesh
    paint: Colour
    oncoming: bool
    braking: bool = False

    def draw(self, stage: Stage) -> None:
        view, mesh = stage.view, self.mesh
        length, width, _ = mesh.size
        z_mean = self.s + 0.5 * length - view.s
        if z_mean + 0.5 * length < 1.0:
            return
        across, along = mesh.corners[:, 0], mesh.corners[:, 2]
        across, along = (
            (self.t - across, self.s + length - along) if self.oncoming else (self.t + across, self.s + along)
        )
        points = view.points(np.maximum(along, view.s + _NEAR_M), across, mesh.corners[:, 1])
        fixed = (points * 16.0).astype(np.int32)
        drawn = ((self._eye(stage, z_mean) - mesh.origins) * mesh.normals).sum(axis=1) > 0.0
        if view.f * width / max(z_mean, 1.0) < _FINE_PX:
            drawn &= ~mesh.fine
        tones = self._tones(stage, z_mean)
        for number in np.flatnonzero(drawn).tolist():
            stage.fill(fixed[mesh.faces[number]], tones[number])

    def _eye(self, stage: Stage, z: float) -> Floats:
        """The camera in the mesh's coordinates; the bend of the street shears the vehicle, so it is taken back here."""
        view = stage.view
        slope = 0.5 * (view.bend(z + 1.0) - view.bend(z - 1.0))
        x, ahead = view.t - view.bend(z) + slope * z - self.t, view.s - self.s
        return np.array((-x, view.eye, self.mesh.size[0] - ahead) if self.oncoming else (x, view.eye, ahead))

    def _tones(self, stage: Stage, z: float) -> list[list[float]]:
        """BGR and label for every face."""
        light, mesh = stage.light, self.mesh
        paints = np.array([self.paint, *_MATERIALS[1:]])
        if self.braking:
            paints[TAIL_LIGHT] = (70, 60, 250)
        # A side that looks right is lit like a house front that looks right: those stand on the left.
        sides = (light.left, light.right) if self.oncoming else (light.right, light.left)
        gains = np.stack([*sides, light.facing, light.ground * 1.05])[mesh.sides] * mesh.gains[:, None]
        gains[mesh.kinds == TAIL_LIGHT] = 1.0
        veil = light.veil(z)
        tones = np.full((len(gains), 4), float(CAR))
        tones[:, :3] = np.minimum(paints[mesh.kinds] * gains, 255.0) * (1.0 - veil) + light.haze * veil
        listed: list[list[float]] = tones.tolist()
        return listed

    def shade(self, shadows: Shadows) -> None:
        length, width, height = self.mesh.size
        start, end = self.s, self.s + length
        left, right = self.t - 0.5 * width, self.t + 0.5 * width
        if shadows.ahead(start) > 120.0:
            return
        if shadows.sunny:
            lean, along = shadows.light.lean * height, shadows.light.reach * height
            low, high = (left, right + lean) if lean > 0.0 else (left + lean, right)
            shadows.cast((start, end, end + along, start + along), (low, low, high, high), shadows.dark())
        shadows.box((start - 0.15, end + 0.15), (left - 0.1, right + 0.1), 96)
        shadows.box((start + 0.1, end - 0.1), (left + 0.08, right - 0.08), 34)


def any_vehicle(dice: Dice, s: float, t: float, oncoming: bool, parked: bool = False) -> Vehicle:
    """A car, now and then a van or (not parked) a bus."""
    chance = dice.unit()
    meshes = VANS if chance < 0.1 else BUSES if chance < 0.16 and not parked else CARS
    mesh = dice.pick(meshes)
    return Vehicle(street_key(s), s, t, mesh, dice.pick(_BUS_PAINTS if meshes is BUSES else _PAINTS), oncoming)
