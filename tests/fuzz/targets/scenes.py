"""Regions, rules and mounts of any numbers, then three frames through the interpreter."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any, Final

import yaml

from edge_segnet.core.classes import CAMVID_12
from edge_segnet.scene import interpreter
from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.events import EventLog
from edge_segnet.sinks import registry as settings
from tests.support.results import frame_of, segmentation_of

PLAIN: Final = (0, 1, 0.5, 1e-300, 5e-324, 1 - 1e-16, 0.3, 0.7, 0.999999, 1e-12, 0.25, -0.0)
ODD: Final = (-1, 2, True, None, "a", 10**15)


class Scene:
    """What the settings accept must not break the loop."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "scene.yaml"

    def make(self, rng: random.Random) -> tuple[Path, tuple[int, int]]:
        rule = {
            "name": rng.choice(("a", "b", "x" * 32, "x" * 33, "", 1)),
            "region": rng.choice(("r", "r", "q")),
            rng.choice(("class", "free")): rng.choice(("Road", "road", "metres", "rows", "Nope", None, "")),
            rng.choice(("below", "above")): rng.choice((0.4, 0, 1, 1.0, 2, 1e308, -1, 5e-324)),
            "frames": rng.choice((1, 5, 100000, 100001, 0)),
        }
        if rng.random() < 0.3:
            rule[rng.choice(("clear_above", "clear_below"))] = rng.choice((0.5, -1, 1e308))
        region: dict[str, Any] = {"polygon": _polygon(rng), "smooth_s": rng.choice((1, 1e-300, 3600, 0.5))}
        if rng.random() < 0.6:
            classes = rng.choice((["Road"], ["road", "ROAD"], ["Nope"], []))
            region["free"] = {
                "classes": classes,
                "sectors": rng.choice((1, 5, 64)),
                "share": rng.choice((1, 0.8, 5e-324)),
            }
        camera: dict[str, Any] = {"source": "synthetic://drive"}
        if rng.random() < 0.5:
            camera["mount"] = _mount(rng)
        document = {"cameras": {"camera": camera}, "regions": {"r": region}, "rules": [rule] * rng.choice((0, 1, 1, 2))}
        self._path.write_text(yaml.safe_dump(document, default_flow_style=None), encoding="utf-8")
        return self._path, rng.choice(((480, 360), (1, 1), (2, 3), (32, 32)))

    def run(self, case: tuple[Path, tuple[int, int]]) -> None:
        path, size = case
        config = settings.load(path)
        network = interpreter.Network(CAMVID_12, size, "stretch")
        interpreter.check(config, network)
        log = EventLog(None)
        try:
            made = interpreter.Postprocessor("camera", config, network, Alarms(log))
            for number in range(3):
                frame = frame_of(number, "camera", size)
                made(frame, segmentation_of(frame, CAMVID_12))
        finally:
            log.close()


def _polygon(rng: random.Random) -> list[list[Any]]:
    corners = rng.choice((3, 3, 4, 4, 5, 8, 20, 64, 65, 2, 1, 0))
    if rng.random() < 0.5:
        angles = sorted(rng.random() * 2 * math.pi for _ in range(corners))
        wide = rng.choice((1, 0.5, 0.01))
        return [[0.5 + 0.5 * math.cos(angle) * wide, 0.5 + 0.5 * math.sin(angle)] for angle in angles]
    return [[_number(rng), _number(rng)] for _ in range(corners)]


def _number(rng: random.Random) -> Any:
    return rng.choice((rng.choice(PLAIN), rng.random(), round(rng.random(), 1), rng.choice(ODD)))


def _mount(rng: random.Random) -> dict[str, Any]:
    mount: dict[str, Any] = {
        "height_m": rng.choice((1.2, 1e-300, 100)),
        "pitch_deg": rng.choice((0, 90, -44.9, 89.999, 1e-300)),
        "focal_px": rng.choice((910, 1e-300, 1e6)),
    }
    if rng.random() < 0.4:
        mount["centre_px"] = [rng.choice((0, 1e308, -1e308, 640)), 0]
    return mount
