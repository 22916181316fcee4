"""The daemon's life: start, ready, watch, reload, end. Its thread never does long work."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_segnet.board.notify import Notifier
from edge_segnet.core.errors import EdgeSegnetError
from edge_segnet.core.files import state_folder
from edge_segnet.core.types import Sink
from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.events import EventLog
from edge_segnet.service.camera import Camera, Opener, Surroundings
from edge_segnet.service.changes import Watched
from edge_segnet.service.preparing import ModelLoader, Prepared
from edge_segnet.service.sinks import SinkManager
from edge_segnet.service.state import State
from edge_segnet.settings.schema import Config
from edge_segnet.sources import open_camera

logger = logging.getLogger(__name__)
TICK_S, STARTING_TICK_S = 0.25, 0.02
EXTEND_S, EXTEND_EVERY_S = 30.0, 5.0
STOP_S: Final = 1.0
"""For the loops to finish their frames; the sinks have a second of their own."""
MIN_PINGS: Final = 2.5
"""Pings in one interval of the watchdog, so that one may be late."""


@dataclass(frozen=True)
class Origin:
    """Where the settings come from. ``reread`` raises SettingsError; ``file`` is watched for changes.

    ``wait_for_model``: a model file that the settings file names may come later; one that the command line names is a
    mistake if it isn't there.
    """

    reread: Callable[[], Config]
    file: Path | None = None
    wait_for_model: bool = False


class _Wake:
    """Ends a wait early. Unlike ``threading.Event``, it may be rung by a signal handler that interrupts the wait."""

    def __init__(self) -> None:
        self._heard, self._bell = socket.socketpair()
        self._heard.setblocking(False)
        self._bell.setblocking(False)

    def ring(self) -> None:
        with contextlib.suppress(OSError):  # rung often enough, or closed
            self._bell.send(b"!")

    def wait(self, seconds: float) -> None:
        select.select([self._heard], [], [], seconds)
        with contextlib.suppress(BlockingIOError):
            self._heard.recv(64)

    def close(self) -> None:
        self._heard.close()
        self._bell.close()


class Daemon:
    """Everything that runs; ``run`` returns when it was asked to stop, or when every source has ended."""

    def __init__(
        self,
        config: Config,
        origin: Origin,
        notifier: Notifier,
        extra: Mapping[str, Sink] | None = None,
        opener: Opener = open_camera,
    ) -> None:
        """``extra``: sinks beside those of the settings; ``opener`` opens the cameras' sources."""
        self.state = State()
        self.state.events = EventLog(state_folder() / "events")
        self._alarms = Alarms(self.state.events)
        self._config, self._origin, self._notify = config, origin, notifier
        self._opener = opener
        self._outlets = SinkManager(self.state, extra or {})
        self.state.sinks = self._outlets.status
        self._preparer = ModelLoader(origin.wait_for_model, lambda: self._stopping, self._say_waiting)
        self._file = Watched(origin.file)
        self._stopping = self._reload_asked = self._record_asked = False
        self._failure: Exception | None = None
        self._wake = _Wake()
        self._extended_s = self._pinged_s = 0.0
        self._progress: dict[str, int] = {}

    def stop(self) -> None:
        """End soon; safe in a signal handler and from any thread."""
        self._stopping = True
        self._wake.ring()

    def reload(self) -> None:
        """Read the settings again; safe in a signal handler and from any thread."""
        self._reload_asked = True
        self._wake.ring()

    def record(self) -> None:
        """Have the flight recorder write what it holds; safe in a signal handler and from any thread."""
        self._record_asked = True
        self._wake.ring()

    def _fail(self, error: Exception) -> None:
        self._failure = error
        self._wake.ring()

    def _say_waiting(self, why: str) -> None:
        self.state.waiting = why

    def run(self) -> None:
        """Serve.

        Raises:
            EdgeSegnetError: the model is unusable (3), a sink's settings can't work (2), the GPU is lost (6).
        """
        try:
            self._preparer.begin(self._config, None)
            self._outlets.open(self._config)
            while not self._stopping:
                self._tick()
                self._wake.wait(TICK_S if self.state.ready else STARTING_TICK_S)
        finally:
            self._close()

    def _tick(self) -> None:
        if self._failure is not None:
            raise self._failure
        if not self._preparer.busy and (self._reload_asked or self._file.changed()):
            self._begin_reload()
        self._take_prepared()
        if self._record_asked:
            self._record()
        self._tell()
        if self.state.running and all(camera.finished for camera in self.state.running.values()):
            logger.info("every source has ended")
            self._stopping = True

    def _record(self) -> None:
        self._record_asked = False
        if not self._outlets.trigger("asked"):
            logger.warning("SIGUSR1: nothing records; the settings have no section recording")

    def _begin_reload(self) -> None:
        self._reload_asked = False
        self._notify.reloading()
        try:
            config = self._origin.reread()
        except EdgeSegnetError as error:
            self._refuse(error)
            return
        loaded = self.state.loaded
        self._preparer.begin(config, None if loaded is None else (self._config, loaded))

    def _take_prepared(self) -> None:
        starting = self.state.loaded is None
        try:
            prepared = self._preparer.take()
            if prepared is not None:
                self._apply(prepared)
        except EdgeSegnetError as error:
            if starting:
                raise
            self._refuse(error)
            return
        if prepared is not None and not starting:
            self.state.reloaded(None)
            logger.info("settings reloaded", extra={"event": "reloaded"})
            self._notify.ready()

    def _refuse(self, error: EdgeSegnetError) -> None:
        self.state.reloaded(str(error))
        logger.error("reload refused, the old settings stay: %s", error, extra={"event": "reload-refused"})
        if self.state.ready:
            self._notify.ready()

    def _apply(self, new: Prepared) -> None:
        """Exchange what differs, between frames; a camera that stays loses none."""
        old = self.state.loaded
        self._outlets.open(new.config)
        kept = {name: camera for name, camera in self.state.running.items() if self._stays(camera, new)}
        gone = {name: camera for name, camera in self.state.running.items() if name not in kept}
        self._stop_cameras(list(gone.values()))
        self.state.take(new)
        for camera in kept.values():
            camera.swap(new)
        if old is not None and new.loaded is not old:
            old.backend.close()
        wanted = new.config.cameras
        fresh = {name: self._camera(name, new, gone.get(name)) for name in wanted if name not in kept}
        self.state.running = {name: kept.get(name) or fresh[name] for name in wanted}
        self._alarms.want(frozenset().union(*(camera.watched for camera in self.state.running.values())))
        self._alarms.settle()
        for camera in fresh.values():
            camera.start()
        self._config = new.config

    def _camera(self, name: str, new: Prepared, earlier: Camera | None) -> Camera:
        around = Surroundings(self._outlets.publish, self._fail, self._alarms, self._opener)
        return Camera(name, new, around, earlier)

    @staticmethod
    def _stays(camera: Camera, new: Prepared) -> bool:
        wanted = new.config.cameras.get(camera.name)
        return wanted is not None and camera.fit == new.loaded.card.fit and camera.takes(wanted)

    @staticmethod
    def _stop_cameras(cameras: list[Camera]) -> None:
        deadline = time.monotonic() + STOP_S
        for camera in cameras:
            camera.ask_to_stop()
        for camera in cameras:
            camera.stop(max(0.0, deadline - time.monotonic()))

    def _tell(self) -> None:
        """Tell the service manager how things are; the watchdog hears of progress, never of time alone."""
        now = time.monotonic()
        if self.state.loaded is None and now - self._extended_s > EXTEND_EVERY_S:
            self._extended_s = now
            self._notify.extend(EXTEND_S)
        running = self.state.running
        if not self.state.ready and running and all(camera.answered for camera in running.values()):
            self.state.ready = True
            took_s = (time.monotonic_ns() - self.state.started_ns) / 1e9
            where = "".join(f"; {name}: {url}" for name, url in self._outlets.addresses().items())
            logger.info("ready after %.2f s%s", took_s, where, extra={"event": "ready"})
            self._notify.ready()
        self._notify.status(self.state.line())
        if self._notify.watchdog_s is not None and now - self._pinged_s > self._notify.watchdog_s / MIN_PINGS:
            self._ping(now)

    def _ping(self, now: float) -> None:
        """Only when every loop has finished a frame, or heard honestly that there is none, since the last ping."""
        progress = {name: camera.progress_ns for name, camera in self.state.running.items() if not camera.finished}
        if any(self._progress.get(name) == stamp for name, stamp in progress.items()):
            return
        self._progress, self._pinged_s = progress, now
        self._notify.watchdog()

    def _close(self) -> None:
        self._notify.stopping()
        self._stop_cameras(list(self.state.running.values()))
        self.state.events.close()
        self._outlets.close()
        self._preparer.close()
        if self.state.loaded is not None and not any(camera.hangs for camera in self.state.running.values()):
            self.state.loaded.backend.close()
        self._notify.close()
        self._wake.close()
