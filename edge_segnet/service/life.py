"""The daemon's life: start, ready, watch, reload, end.

Its thread, the main one, ticks: it commits what was prepared, tells the service manager, and hears signals. Nothing
that can block runs here; the models, sinks and cameras are made, asked and closed elsewhere.

    starting --the first transaction is committed--> serving --a signal, or every source's end--> closing --> gone
        `-------------- a signal, a fault that no reload mends (DeviceLost, a bad model) --------^
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final

from edge_segnet.board.notify import Notifier
from edge_segnet.core import threads
from edge_segnet.core.files import state_folder
from edge_segnet.core.pace import Deadline, Waker
from edge_segnet.core.types import Sink
from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.events import EventLog
from edge_segnet.service.camera import Opener, Surroundings
from edge_segnet.service.heartbeat import Heartbeat
from edge_segnet.service.monitor import Monitor
from edge_segnet.service.reload import Origin, Reloader
from edge_segnet.service.sinks import SinkManager
from edge_segnet.service.state import State
from edge_segnet.settings.schema import Config
from edge_segnet.sources import open_camera, prepare

logger = logging.getLogger(__name__)
TICK_S, STARTING_TICK_S = 0.25, 0.02
"""A signal or a commit rings; this is for what does not. A start is looked at oftener, so that READY is not late."""
STARTS_S: Final = 30.0
"""So long the main thread ticks fast, so that READY is told at once; a model may be waited for for days."""
ASKED_S: Final = 1.4
"""For the end when a signal asked for it: less than ``process.LIMIT_S``, after which nobody is waited for."""
ENDED_S: Final = 10.0
"""When the last source has ended: files are to be whole."""
FRAME_S: Final = 0.3
"""Of that, for the frames that are under way."""


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
        self.state = State(EventLog(state_folder() / "events"))
        self._notify = notifier
        self._sinks = SinkManager(self.state.told, extra or {})
        self.state.sinks = self._sinks.status
        self._wake = Waker()
        alarms = Alarms(self.state.events)
        around = Surroundings(self._sinks.publish, self._fail, alarms, opener, notifier, self._wake.ring)
        self._reloader = Reloader(config, origin, self.state, self._sinks, around)
        self._heartbeat = Heartbeat(notifier, self.state)
        self._monitor = Monitor(self.state, notifier, lambda: self._sinks.trigger("asked"))
        self._early = tuple(config.cameras.values()) if opener is open_camera else ()
        self._stopping = self._reload_asked = self._record_asked = False
        self._failure: Exception | None = None

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

    def run(self) -> None:
        """Serve.

        Raises:
            EdgeSegnetError: the model is unusable (3), a sink's settings can't work (2), the GPU is lost (6).
        """
        ended = False
        try:
            self._reloader.start()
            if self._early:  # while the model is read and opened
                threads.start(lambda: prepare(self._early), "sources", again=False)
            self._monitor.start()
            while not (self._stopping or ended):
                self._tick()
                self._wake.wait(self._tick_s)
                ended = self._ended()
        finally:
            self._close(ENDED_S if ended and not self._stopping else ASKED_S)
        if ended:
            logger.info("every source has ended")

    @property
    def _tick_s(self) -> float:
        starts = not self.state.ready and time.monotonic_ns() - self.state.started_ns < STARTS_S * 1e9
        return STARTING_TICK_S if starts else TICK_S

    def _tick(self) -> None:
        failure = self._failure or self._reloader.failure
        if failure is not None:
            raise failure
        if self._reload_asked:
            self._reload_asked = False
            self._reloader.ask()
        self._reloader.commit()
        if self._record_asked:
            self._record_asked = False
            self._monitor.record()
        self._heartbeat.beat()

    def _ended(self) -> bool:
        running = self.state.running
        return bool(running) and all(camera.finished for camera in running.values())

    def _close(self, limit_s: float) -> None:
        """Frames under way, then events, then sinks, in ``limit_s`` together; what hangs is left behind."""
        deadline = Deadline(limit_s)
        self._notify.stopping()
        self._monitor.stop()
        cameras = list(self.state.running.values())
        for camera in cameras:
            camera.ask_to_stop()
        self._reloader.stop()
        frames_until = time.monotonic() + FRAME_S
        while any(camera.runs for camera in cameras) and time.monotonic() < frames_until:
            time.sleep(0.01)
        self.state.events.close(deadline.left_s)
        self._sinks.close(deadline.left_s)
        self._reloader.join(deadline.left_s)
        self._notify.close()
        self._wake.close()
