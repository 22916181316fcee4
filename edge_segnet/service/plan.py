"""What new settings ask for that is not there: the plan of a reload, and what was made for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from edge_segnet.scene.events import AlarmKey
from edge_segnet.service import model as models
from edge_segnet.service.camera import Camera, Change
from edge_segnet.service.model import Loaded, Setup
from edge_segnet.service.sinks import Exchange
from edge_segnet.settings.schema import Config

MODEL_KEYS: Final = (
    "model",
    "backend",
    "fallback",
    "memory",
    "driver",
    "precision",
    "size",
    "colours",
    "threads",
    "batch_wait_ms",
)


@dataclass(frozen=True)
class Prepared:
    """All that new settings need, made; nobody uses it yet. While the model is waited for: sinks only."""

    config: Config
    sinks: Exchange
    setup: Setup | None = None
    running: Mapping[str, Camera] = field(default_factory=dict)
    changes: tuple[tuple[Camera, Change], ...] = ()
    fresh: tuple[Camera, ...] = ()
    gone: tuple[Camera, ...] = ()
    alarms: frozenset[AlarmKey] = frozenset()


def is_another(config: Config, old: Config, loaded: Loaded) -> bool:
    """Whether the settings ask for another model, or its file has changed."""
    if any(getattr(config, key) != getattr(old, key) for key in MODEL_KEYS):
        return True
    if getattr(loaded.backend, "depth", None) not in (None, models.depth(config)):
        return True  # it can have none, or was opened for another number of cameras
    rates = [[camera.rate for camera in each.cameras.values()] for each in (config, old)]
    if config.size == "auto" and rates[0] != rates[1]:
        return True
    return models.fingerprint(config) != loaded.fingerprint
