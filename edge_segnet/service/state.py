"""What the daemon says about itself: to sinks, to ``/api/status``, to systemd."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Literal

from edge_segnet.board import status as board
from edge_segnet.core import threads
from edge_segnet.core.documents import BoardDocument, CameraDocument, ReloadDocument, SinkDocument, StatusDocument, utc
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import View
from edge_segnet.scene.events import EventLog
from edge_segnet.service.camera import WORKING, Camera
from edge_segnet.service.model import Loaded
from edge_segnet.service.preparing import Prepared

HEALTHY_S = 10.0
"""A loop without progress for longer is ill; WatchdogSec of the unit is the same."""


class State:
    """The daemon's state; implements ``sinks.Service``. Written by the daemon's thread, read by everyone."""

    def __init__(self) -> None:
        self.started_ns = time.monotonic_ns()
        self.events = EventLog(None)
        self.view: View | None = None
        self.loaded: Loaded | None = None
        self.running: Mapping[str, Camera] = {}
        self.waiting = "starting"
        """Why there is no model yet."""
        self.ready = False
        self.reload: ReloadDocument | None = None
        self.sinks: Callable[[], dict[str, SinkDocument]] = dict

    def take(self, new: Prepared) -> None:
        """A model and settings are at work."""
        self.loaded, self.view = new.loaded, new.view

    @property
    def cameras(self) -> Mapping[str, CameraTelemetry]:
        return {name: camera.telemetry for name, camera in self.running.items()}

    @property
    def healthy(self) -> bool:
        return all(camera.stuck_for_s < HEALTHY_S for camera in self.running.values())

    @property
    def word(self) -> Literal["waiting", "running", "degraded", "stuck"]:
        """The whole in one word: waiting, running, degraded (a camera gives no frames) or stuck."""
        if self.loaded is None:
            return "waiting"
        if not self.healthy:
            return "stuck"
        states = [camera.state.state for camera in self.running.values()]
        return "running" if all(state in (*WORKING, "starting") for state in states) else "degraded"

    def status(self) -> StatusDocument:
        """For ``/api/status``, MQTT, recordings and everyone else."""
        loaded = self.loaded
        card = None if loaded is None else loaded.card
        cameras = {name: camera.status() for name, camera in self.running.items()}
        sinks, events = self.sinks(), self.events.status()
        return StatusDocument(
            state=self.word,
            message=self.waiting if loaded is None else loaded.note,
            ready=self.ready,
            healthy=self.healthy,
            uptime_s=round((time.monotonic_ns() - self.started_ns) / 1e9, 1),
            version=version("edge-segnet"),
            model=None if card is None else card.name,
            licence=None if card is None else card.licence,
            backend=None if loaded is None else loaded.backend.name,
            network_size=None if card is None else list(card.size),
            fit="stretch" if card is None else card.fit,
            degraded=_degraded(cameras, sinks, events.error),
            cameras=cameras,
            sinks=sinks,
            events=events,
            board=BoardDocument.model_validate(board.read()),
            reload=self.reload,
        )

    def reloaded(self, problem: str | None) -> None:
        """Remember how the last reload ended."""
        self.reload = ReloadDocument(at=utc(time.time(), "seconds"), ok=problem is None, message=problem or "")

    def line(self) -> str:
        """One line for ``systemctl status``."""
        if self.loaded is None:
            return f"waiting: {self.waiting}"
        parts = [_line(camera) for camera in self.running.values()]
        if self.reload is not None and not self.reload.ok:
            parts.append(f"reload refused: {self.reload.message}")
        return "; ".join(parts)


def _degraded(
    cameras: Mapping[str, CameraDocument], sinks: Mapping[str, SinkDocument], events: str | None
) -> dict[str, str]:
    """Parts that don't do their work now: why."""
    found = {
        f"camera {name}": f"{told.state}: {told.message}" if told.message else told.state
        for name, told in cameras.items()
        if told.state not in (*WORKING, "starting", "ended")
    }
    found |= {f"sink {name}": told.error for name, told in sinks.items() if told.error is not None}
    found |= {f"thread {fault.thread}": fault.message for fault in threads.faults()}
    return found if events is None else {**found, "events": events}


def _line(camera: Camera) -> str:
    state = camera.state
    if state.state in WORKING:
        still = "" if state.state == "running" else f" ({state.state})"
        return f"{camera.name}: {camera.telemetry.frames_per_second():.0f} frames/s{still}"
    return f"{camera.name}: {state.state}" + (f" ({state.message})" if state.message else "")
