"""Ways out of the daemon. Every sink runs behind the fan-out (``fanout.py``): a slow one hurts only itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from edge_segnet.core.documents import StatusDocument
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import View
from edge_segnet.scene.events import EventLog


class Service(Protocol):
    """What a sink knows of the service beside results, from any thread: values that were pushed (``told.py``)."""

    @property
    def cameras(self) -> Mapping[str, CameraTelemetry]:
        """Name -> numbers, in the order of the config; changes on a reload."""
        ...

    @property
    def view(self) -> View | None:
        """Classes, regions and rules at work now; None while the model is waited for. A result brings its own."""
        ...

    @property
    def events(self) -> EventLog:
        """What rules noticed; read it with a cursor of your own, from any thread."""
        ...

    def status(self) -> StatusDocument:
        """How everything is now; without credentials."""
        ...

    @property
    def ready(self) -> bool:
        """A model runs, and every camera has a frame or an honest 'missing' state."""
        ...

    @property
    def healthy(self) -> bool:
        """Every loop made progress lately."""
        ...
