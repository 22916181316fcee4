"""One camera at work: its supervisor, its loop, the loop's thread, its numbers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from edge_segnet.core import threads, uris
from edge_segnet.core.documents import AgeDocument, CameraDocument, DroppedDocument
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import Fit, Generation, Origin, Result
from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.events import AlarmKey
from edge_segnet.scene.interpreter import Postprocessor
from edge_segnet.service.loop import Loop
from edge_segnet.service.model import network_of
from edge_segnet.service.preparing import Prepared
from edge_segnet.settings.schema import CameraConfig
from edge_segnet.sources.health import CameraStatus
from edge_segnet.sources.live import LiveSource
from edge_segnet.sources.supervisor import Supervisor

logger = logging.getLogger(__name__)
Opener = Callable[[CameraConfig, str, tuple[int, int], Fit], LiveSource]
"""``sources.open_camera``, or what a test or a benchmark puts in its place."""
CLOSE_S = 0.3
"""For a source to be released; one that hangs is left behind."""
WORKING = ("running", "static")
"""States in which frames come."""


@dataclass(frozen=True)
class Surroundings:
    """What all cameras share: where results and events go, who hears (on the loop's thread) what ended a loop, and
    what opens sources.
    """

    publish: Callable[[Result], None]
    failed: Callable[[Exception], None]
    alarms: Alarms
    opener: Opener


class Camera:
    """Runs from ``start`` to ``stop``."""

    def __init__(self, name: str, new: Prepared, around: Surroundings, earlier: Camera | None = None) -> None:
        """``earlier``: the camera of that name, whose place this one takes; its alarms go on."""
        self.name, self.config = name, new.config.cameras[name]
        self.telemetry = CameraTelemetry()
        self.fit = new.loaded.card.fit
        self.supervisor = Supervisor(self._open, name, new.loaded.card.size, self.config, self.fit)
        self._around = around
        self._stopped = False
        self._refiner: Postprocessor = self._postprocessor(new, None if earlier is None else earlier._refiner)
        self._loop = Loop(
            self.supervisor,
            self._generation(new),
            around.publish,
            self.telemetry,
            self.config.rate,
            self._origin(),
        )
        self._thread = threads.Thread(self._run, f"loop-{name}")

    def _open(self, size: tuple[int, int]) -> LiveSource:
        return self._around.opener(self.config, self.name, size, self.fit)

    def _postprocessor(self, new: Prepared, before: Postprocessor | None) -> Postprocessor:
        return Postprocessor(self.name, new.config, network_of(new.loaded), self._around.alarms, before)

    def _generation(self, new: Prepared) -> Generation:
        return Generation(new.loaded.backend, new.loaded.card.name, new.view, self._refiner)

    def _origin(self) -> Origin:
        return Origin(self.shown_source, self.config.stale_after_s, self._shows)

    def _shows(self) -> bool:
        """Whether what its last frame showed is still so."""
        return not self._stopped and self.supervisor.state in (*WORKING, "ended")

    def _run(self) -> None:
        try:
            self._loop.run()
        except Exception as error:  # noqa: BLE001 - the daemon decides, on its own thread
            self._around.failed(error)

    def start(self) -> None:
        """Open the source and begin."""
        self.supervisor.start()
        self._thread.start()

    def swap(self, new: Prepared) -> None:
        """A model of the same fit, regions and rules: others, or the same, from the next frame on."""
        self.supervisor.resize(new.loaded.card.size)
        before = self._refiner
        self._refiner = self._postprocessor(new, before)
        self._loop.swap(self._generation(new))

    @property
    def watched(self) -> frozenset[AlarmKey]:
        """Its alarms that may be on."""
        return self._refiner.watched

    def takes(self, config: CameraConfig) -> bool:
        """Take new settings while running; False: the source itself would be another one."""
        kept = {"rate", "stale_after_s", "mount"}
        if config.model_dump(exclude=kept) != self.config.model_dump(exclude=kept):
            return False
        self.config = config
        self._loop.rate, self._loop.origin = config.rate, self._origin()
        return True

    def ask_to_stop(self) -> None:
        """Finish the frame that is under way, then end."""
        self._stopped = True
        self._loop.stop()
        self.supervisor.stop()

    def stop(self, timeout_s: float) -> None:
        """Wait for the loop's end and release the source."""
        self.ask_to_stop()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if self._thread.is_alive():
            logger.warning("%s: the loop does not end, and is left behind", self.name, extra={"camera": self.name})
        self.supervisor.close(CLOSE_S)

    @property
    def state(self) -> CameraStatus:
        """How the source is, and with it what is made of its frames."""
        source, sound = self.supervisor.status(), self._loop.soundness
        if source.state not in WORKING:
            return source
        if sound.fault:
            return replace(source, state="output_invalid", message=sound.fault)
        return replace(source, message=sound.warning or source.message)

    @property
    def finished(self) -> bool:
        """A file that ended, and will not begin again."""
        return self.state.state == "ended" and not self._thread.is_alive()

    @property
    def answered(self) -> bool:
        """There was a frame, or there is an honest reason why not."""
        return self.telemetry.frames > 0 or self.state.state not in ("starting", "running")

    @property
    def hangs(self) -> bool:
        """Whether the loop could not be ended."""
        return self._thread.is_alive()

    @property
    def stuck_for_s(self) -> float:
        """Since the loop last made progress; 0 when it has ended."""
        if not self._thread.is_alive():
            return 0.0
        return (time.monotonic_ns() - self._loop.progress_ns) / 1e9

    @property
    def progress_ns(self) -> int:
        """When the loop last made progress (monotonic)."""
        return self._loop.progress_ns

    @property
    def shown_source(self) -> str:
        """The source without credentials; a pipeline by that word, since nobody knows what stands in it."""
        return "pipeline" if self.config.source is None else uris.parse(self.config.source).shown

    def status(self) -> CameraDocument:
        """For ``/api/status``."""
        state, telemetry = self.state, self.telemetry
        return CameraDocument(
            state=state.state,
            since_s=round((time.monotonic_ns() - state.since_ns) / 1e9, 1),
            message=state.message,
            source=self.shown_source,
            source_size=None if state.source_size is None else list(state.source_size),
            synthetic=state.synthetic,
            flip=self.config.turn,
            rate=self.config.rate,
            camera_frames_per_second=round(state.frames_per_second, 1),
            frames_per_second=round(telemetry.frames_per_second(), 1),
            age_ms=AgeDocument.of(telemetry.ages()),
            frames=telemetry.frames,
            dropped=DroppedDocument.of(telemetry.dropped),
            stale=telemetry.stale,
            captured=state.captured,
            invalid=self._loop.soundness.invalid,
            reconnects=state.reconnects,
        )
