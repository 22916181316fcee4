"""Ways out of the daemon. Every sink runs behind the fan-out (``fanout.py``): a slow one hurts only itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from edge_segnet.classes import ClassMap
from edge_segnet.config_regions import RegionConfig, RuleConfig
from edge_segnet.events import EventLog
from edge_segnet.telemetry import CameraTelemetry
from edge_segnet.types import Fit, Result


class Service(Protocol):
    """What a sink may ask the daemon, from any thread; every answer is quick and never blocks the loop."""

    @property
    def cameras(self) -> Mapping[str, CameraTelemetry]:
        """Name -> numbers, in the order of the config; changes on a reload."""
        ...

    @property
    def classes(self) -> ClassMap | None:
        """The model's class map; None while the model is waited for."""
        ...

    @property
    def fit(self) -> Fit:
        """How pictures come to the model's size, so that a sink can undo it; ``stretch`` while there is no model."""
        ...

    @property
    def events(self) -> EventLog:
        """What rules noticed; read it with a cursor of your own, from any thread."""
        ...

    @property
    def regions(self) -> Mapping[str, RegionConfig]:
        """The regions at work, by name; changes on a reload."""
        ...

    @property
    def rules(self) -> Sequence[RuleConfig]:
        """The rules at work; changes on a reload."""
        ...

    def document(self, result: Result) -> dict[str, Any]:
        """The contract's JSON of a result; ``age_ms`` and ``stale`` are as of now."""
        ...

    def status(self) -> dict[str, Any]:
        """``/api/status``, JSON-ready, without credentials: {state, message, ready, healthy, uptime_s, version, model,
        licence, backend, network_size, fit, cameras: {NAME: {state, since_s, message, source, source_size, synthetic, flip,
        rate, camera_frames_per_second, frames_per_second, age_ms: {p50, p95, p99, max}, frames, dropped, stale,
        captured, reconnects}}, sinks, board, reload}.
        """
        ...

    @property
    def ready(self) -> bool:
        """A model runs, and every camera has a frame or an honest 'missing' state."""
        ...

    @property
    def healthy(self) -> bool:
        """Every loop made progress lately."""
        ...
