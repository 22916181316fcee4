"""How the service is, as it is pushed to the sinks: they call nothing back, so none can hold up another, or a camera.

service's monitor, twice a second ─► status ┐
a reload's commit ─► view, cameras ─────────┴► Told ─► every sink, from any thread
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from edge_segnet.core.documents import StatusDocument
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import View
from edge_segnet.scene.events import EventLog

SILENT_S: Final = 10.0
"""The monitor looks twice a second; status of this age means that it does not."""


@dataclass(frozen=True, eq=False)
class Moment:
    """What was pushed last."""

    status: StatusDocument
    view: View | None
    cameras: Mapping[str, CameraTelemetry]
    at_s: float


class Told:
    """Implements ``sinks.Service``. Written by the service, read by everyone: one reference is exchanged as a whole."""

    def __init__(self, events: EventLog, status: StatusDocument, silent_s: float = SILENT_S) -> None:
        """``status``: until the first is pushed; ``silent_s``: an older one is no sign of health."""
        self.events = events
        self._silent_s = silent_s
        self._now = Moment(status, None, {}, time.monotonic())

    def push(self, status: StatusDocument) -> None:
        """How everything is now."""
        self._now = replace(self._now, status=status, at_s=time.monotonic())

    def exchange(self, view: View, cameras: Mapping[str, CameraTelemetry]) -> None:
        """Another generation is at work."""
        self._now = replace(self._now, view=view, cameras=cameras)

    @property
    def cameras(self) -> Mapping[str, CameraTelemetry]:
        return self._now.cameras

    @property
    def view(self) -> View | None:
        return self._now.view

    def status(self) -> StatusDocument:
        """As of at most a moment ago."""
        return self._now.status

    @property
    def ready(self) -> bool:
        return self._now.status.ready

    @property
    def healthy(self) -> bool:
        return self._now.status.healthy and time.monotonic() - self._now.at_s < self._silent_s
