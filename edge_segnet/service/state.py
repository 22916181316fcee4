"""What the daemon says about itself: to sinks, to ``/api/status``, to systemd."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final, Literal

from edge_segnet.board import status as board
from edge_segnet.core import threads
from edge_segnet.core.documents import (
    BoardDocument,
    DeploymentDocument,
    ReloadDocument,
    SinkDocument,
    StatusDocument,
    utc,
)
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import View
from edge_segnet.core.version import VERSION
from edge_segnet.scene.events import EventLog
from edge_segnet.service.camera import WORKING, Camera
from edge_segnet.service.model import Loaded, Setup
from edge_segnet.settings.recover import RecoverConfig
from edge_segnet.sinks.told import Told

HEALTHY_S = 10.0
"""A loop without progress for longer is ill; WatchdogSec of the unit is the same."""
FRAMES_LATE: Final = 4.0
"""Frames' times without progress that are no hang yet, where a frame takes long."""
LONGEST_S: Final = 600.0
"""However slow a frame is: a hang is noticed within ten minutes."""


class State:
    """The daemon's state. Written by the daemon's threads; what sinks know of it is pushed to them (``told``)."""

    def __init__(self, events: EventLog) -> None:
        self.started_ns = time.monotonic_ns()
        self.events = events
        self.view: View | None = None
        self.loaded: Loaded | None = None
        self.running: Mapping[str, Camera] = {}
        self.recover: RecoverConfig | None = None
        """What the board may be asked for."""
        self.waiting = "starting"
        """Why there is no model yet."""
        self.stirred_s = time.monotonic()
        """When the start last got on (monotonic)."""
        self.ready = False
        self.reload: ReloadDocument | None = None
        self.deployment: DeploymentDocument | None = None
        self.sinks: Callable[[], dict[str, SinkDocument]] = dict
        self._told: Mapping[str, SinkDocument] = {}
        """What the sinks said last: some need a while to say it."""
        self.told = Told(events, self.status())

    def take(self, new: Setup, running: Mapping[str, Camera]) -> None:
        """A model, settings and cameras are at work."""
        self.loaded, self.view, self.running = new.loaded, new.view, running
        self.recover = new.config.recover
        self.stirred_s = time.monotonic()
        self.told.exchange(new.view, self.cameras)

    def look(self) -> Mapping[str, SinkDocument]:
        """Ask the sinks how they are, and push to them how everything is."""
        status = self.status()
        self.told.push(status)
        return status.sinks

    @property
    def cameras(self) -> Mapping[str, CameraTelemetry]:
        return {name: camera.telemetry for name, camera in self.running.items()}

    @property
    def patience_s(self) -> float:
        """How long a loop may take for a frame before it hangs: as long as frames take here, and then some."""
        loaded, running = self.loaded, self.running
        if loaded is None:
            return HEALTHY_S
        # Before the first frames: each waits for the others' turn at the one backend.
        frame_s = max((camera.frame_s for camera in running.values()), default=0.0) or loaded.frame_s * len(running)
        return min(max(HEALTHY_S, FRAMES_LATE * frame_s), LONGEST_S)

    @property
    def healthy(self) -> bool:
        """Every loop makes progress, and no thread has lately died of what nobody expected."""
        patience_s = self.patience_s
        return all(camera.stuck_for_s < patience_s for camera in self.running.values()) and not threads.faults()

    @property
    def degraded(self) -> dict[str, str]:
        """Parts that don't do their work now, while the others do: why."""
        states = {name: camera.state for name, camera in self.running.items()}
        found = {
            f"camera {name}": f"{told.state}: {told.message}" if told.message else told.state
            for name, told in states.items()
            if told.state not in (*WORKING, "starting", "ended")
        }
        found |= {f"sink {name}": told.error for name, told in self._told.items() if told.error is not None}
        found |= {f"thread {fault.thread}": fault.message for fault in threads.faults()}
        error = self.events.status().error
        return found if error is None else {**found, "events": error}

    @property
    def word(self) -> Literal["waiting", "running", "degraded", "stuck"]:
        """The whole in one word: waiting, running, degraded or stuck."""
        if self.loaded is None:
            return "waiting"
        patience_s = self.patience_s
        if any(camera.stuck_for_s >= patience_s for camera in self.running.values()):
            return "stuck"
        return "degraded" if self.degraded else "running"

    def status(self) -> StatusDocument:
        """For ``/api/status``, MQTT, recordings and everyone else; asks the sinks how they are."""
        self._told = self.sinks()
        return self._status()

    def _status(self) -> StatusDocument:
        loaded = self.loaded
        card = None if loaded is None else loaded.card
        cameras = {name: camera.status() for name, camera in self.running.items()}
        return StatusDocument(
            state=self.word,
            message=self.waiting if loaded is None else loaded.note,
            ready=self.ready,
            healthy=self.healthy,
            uptime_s=round((time.monotonic_ns() - self.started_ns) / 1e9, 1),
            version=VERSION,
            model=None if card is None else card.name,
            model_sha256=None if loaded is None else loaded.sha256,
            licence=None if card is None else card.licence,
            backend=None if loaded is None else loaded.backend.name,
            network_size=None if card is None else list(card.size),
            fit="stretch" if card is None else card.fit,
            degraded=self.degraded,
            cameras=cameras,
            sinks=dict(self._told),
            events=self.events.status(),
            board=BoardDocument.model_validate(board.read()),
            reload=self.reload,
            deployment=self.deployment,
        )

    def reloaded(self, problem: str) -> None:
        """Remember how the last reload ended, and push it; no ``problem``: well."""
        self.reload = ReloadDocument(at=utc(time.time(), "seconds"), ok=not problem, message=problem)
        self.told.push(self._status())

    def deploying(self, told: DeploymentDocument) -> None:
        """How far a change of the model is, or how it ended, and push it."""
        self.deployment = told
        self.told.push(self._status())

    def line(self) -> str:
        """One line for ``systemctl status``."""
        if self.loaded is None:
            return f"waiting: {self.waiting}"
        parts = [_line(camera) for camera in self.running.values()]
        degraded = self.degraded
        parts += [f"{name}: {why}" for name, why in degraded.items() if not name.startswith("camera ")]
        if self.reload is not None and not self.reload.ok:
            parts.append(f"reload refused: {self.reload.message}")
        if self.deployment is not None and self.deployment.stage != "serving":
            parts.append(f"model {self.deployment.name} {self.deployment.stage}: {self.deployment.message}")
        return ("degraded; " if degraded else "") + "; ".join(parts)


def _line(camera: Camera) -> str:
    state = camera.state
    if state.state in WORKING:
        still = "" if state.state == "running" else f" ({state.state})"
        return f"{camera.name}: {camera.telemetry.frames_per_second():.0f} frames/s{still}"
    return f"{camera.name}: {state.state}" + (f" ({state.message})" if state.message else "")
