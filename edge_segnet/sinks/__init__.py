"""Ways out of the daemon. Every sink runs behind the fan-out (``fanout.py``): a slow one hurts only itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from edge_segnet.core.classes import ClassMap
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import Fit, Result
from edge_segnet.scene.events import EventLog
from edge_segnet.settings.regions import RegionConfig, RuleConfig


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
        """``/api/status``, JSON-ready, without credentials (``http/documents.py``, ``StatusDocument``)."""
        ...

    @property
    def ready(self) -> bool:
        """A model runs, and every camera has a frame or an honest 'missing' state."""
        ...

    @property
    def healthy(self) -> bool:
        """Every loop made progress lately."""
        ...
