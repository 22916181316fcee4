"""One camera at work: its supervisor, its loop, the loop's thread, its numbers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from edge_segnet.board.notify import Notifier
from edge_segnet.core import threads, uris
from edge_segnet.core.documents import AgeDocument, CameraDocument, DroppedDocument
from edge_segnet.core.errors import DeviceLost
from edge_segnet.core.size import squeeze_note
from edge_segnet.core.telemetry import CameraTelemetry
from edge_segnet.core.types import Backend, Fit, Generation, Origin, Result
from edge_segnet.scene.alarms import Alarms
from edge_segnet.scene.events import AlarmKey
from edge_segnet.scene.interpreter import Postprocessor
from edge_segnet.scene.watch import Vitals, WatchState
from edge_segnet.service.loop import Loop
from edge_segnet.service.model import Setup, network_of
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
    """What all cameras share: where results and alarms go, who hears (on the loop's thread) that the GPU is lost, what
    opens sources, and the service manager.
    """

    publish: Callable[[Result], None]
    failed: Callable[[Exception], None]
    alarms: Alarms
    opener: Opener
    notify: Notifier
    ring: Callable[[], None]
    """Ends the main thread's wait."""


@dataclass(frozen=True)
class Change:
    """What a camera that stays takes, as one, between two frames."""

    config: CameraConfig
    refiner: Postprocessor
    generation: Generation
    watches: tuple[WatchState, ...]

    @property
    def watched(self) -> frozenset[AlarmKey]:
        """The alarms that may be on."""
        return self.refiner.watched | _keys(self.watches)


class Camera:
    """One camera from its making to its end.

    made --start--> waiting --begin--> working --ask_to_stop--> stopped
    """

    def __init__(self, name: str, new: Setup, around: Surroundings, earlier: Camera | None = None) -> None:
        """``earlier``: the camera of that name, whose place this one takes; its counts of frames go on."""
        self.name, self.config = name, new.config.cameras[name]
        self.telemetry = CameraTelemetry()
        self.fit = new.loaded.card.fit
        self.supervisor = Supervisor(self._open, name, new.loaded.card.size, self.config, self.fit)
        self._around = around
        self._stopped = self._opened = False
        self._said = ""
        self._go = threading.Event()
        self._refiner: Postprocessor = self._postprocessor(new, None if earlier is None else earlier._refiner)
        self._watches: tuple[WatchState, ...] = self._watching(new, () if earlier is None else earlier._watches)
        self._loop = Loop(self.supervisor, self._generation(new, self._refiner), around.publish, self.telemetry)
        self._thread = threads.Thread(self._run, f"loop-{name}", vital=True)

    def _open(self, size: tuple[int, int]) -> LiveSource:
        return self._around.opener(self.config, self.name, size, self.fit)

    def _postprocessor(self, new: Setup, before: Postprocessor | None) -> Postprocessor:
        return Postprocessor(self.name, new.config, network_of(new.loaded), self._around.alarms, before)

    def _watching(self, new: Setup, before: tuple[WatchState, ...]) -> tuple[WatchState, ...]:
        """What stays as it is goes on counting its seconds."""
        kept = {watch.config: watch for watch in before}
        wanted = [watch for watch in new.config.watch if watch.camera in (None, self.name)]
        return tuple(kept.get(watch) or WatchState(watch, self.name, self._around.alarms) for watch in wanted)

    def _generation(self, new: Setup, refiner: Postprocessor) -> Generation:
        config = new.config.cameras[self.name]
        origin = Origin(shown(config), config.stale_after_s, self._shows)
        loaded = new.loaded
        return Generation(loaded.backend, loaded.card.name, new.view, refiner, config.rate, origin, turns=loaded.turns)

    def _shows(self) -> bool:
        """Whether what its last frame showed is still so."""
        return not self._stopped and self.supervisor.state in (*WORKING, "ended")

    def _run(self) -> None:
        self._go.wait()
        if self._stopped:
            return
        if not self._opened:
            self._opened = True
            self.supervisor.start()
        try:
            self._loop.run()
        except DeviceLost as error:  # all that this process could try would fail as well
            self._around.failed(error)

    def start(self) -> None:
        """Have its thread, which waits for ``begin``; raises RuntimeError where the system has none left."""
        self._thread.start()

    def begin(self) -> None:
        """Open the source and work."""
        self._go.set()

    def stays(self, new: Setup) -> bool:
        """Whether it can take new settings while it works: its source would be the same, and give the same pictures."""
        wanted, kept = new.config.cameras.get(self.name), {"rate", "stale_after_s", "mount"}
        if wanted is None or self.fit != new.loaded.card.fit:
            return False
        return wanted.model_dump(exclude=kept) == self.config.model_dump(exclude=kept)

    def change(self, new: Setup) -> Change:
        """What ``take`` is to take: a model of the same fit, regions and rules, its rate."""
        refiner = self._postprocessor(new, self._refiner)
        watches = self._watching(new, self._watches)
        made = self._generation(new, refiner)
        if new.on_trial:
            made = replace(made, instead=self._loop.generation)
        return Change(new.config.cameras[self.name], refiner, made, watches)

    def take(self, change: Change) -> None:
        """From the next frame on; waits for nobody, and can't fail."""
        self.config, self._refiner, self._watches = change.config, change.refiner, change.watches
        self._loop.exchange(change.generation)

    @property
    def watched(self) -> frozenset[AlarmKey]:
        """Its alarms that may be on."""
        return self._refiner.watched | _keys(self._watches)

    @property
    def _squeezed(self) -> str:
        """What to say of its pictures' proportions: a camera's are known when the first one comes, not before."""
        last = self.telemetry.last
        if last is None or last.view.fit != "stretch":
            return ""
        return squeeze_note(last.frame.source_size, last.frame.image.shape[1::-1], "size: ")

    def look(self) -> None:
        """Judge the rules on the service itself; say once what is odd about the pictures."""
        if (note := self._squeezed) != self._said:
            self._said = note
            if note:
                logger.warning("%s: %s", self.name, note, extra={"camera": self.name, "event": "squeezed"})
        if not self._watches or not self._opened or self._stopped:
            return
        last, now_ns = self.telemetry.last, time.monotonic_ns()
        vitals = Vitals(
            frames_per_second=self.telemetry.frames_per_second(),
            age_ms=None if last is None else (now_ns - last.frame.captured_ns) / 1e6,
            running=self.state.state in WORKING,
            seq=0 if last is None else last.frame.seq,
            synthetic=last is not None and last.frame.synthetic,
        )
        for watch in self._watches:
            watch.look(vitals, now_ns / 1e9)

    def uses(self, backend: Backend) -> bool:
        """Whether its loop works with this one, or may still."""
        return self._thread.is_alive() and self._loop.uses(backend)

    def ask_to_stop(self) -> None:
        """Finish the frame that is under way, then end; waits for nobody."""
        self._stopped = True
        self._loop.stop()
        self.supervisor.stop()
        self._go.set()

    def stop(self, timeout_s: float) -> None:
        """Wait for the loop's end and release the source."""
        self.ask_to_stop()
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
        words = (sound.warning or source.message, self._squeezed)
        return replace(source, message="; ".join(filter(None, words)))

    @property
    def finished(self) -> bool:
        """A file that ended, and will not begin again."""
        return self.state.state == "ended" and not self._thread.is_alive()

    @property
    def answered(self) -> bool:
        """There was a frame, or there is an honest reason why not."""
        return self.telemetry.frames > 0 or self.state.state not in ("starting", "running")

    @property
    def runs(self) -> bool:
        """Whether its loop has not ended."""
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
    def frame_s(self) -> float:
        """What a frame took lately, at most."""
        return self._loop.frame_s

    @property
    def invalid(self) -> int:
        """Frames of which the network made no numbers."""
        return self._loop.soundness.invalid

    def status(self) -> CameraDocument:
        """For ``/api/status``."""
        state, telemetry = self.state, self.telemetry
        return CameraDocument(
            state=state.state,
            since_s=round((time.monotonic_ns() - state.since_ns) / 1e9, 1),
            message=state.message,
            source=shown(self.config),
            source_size=None if state.source_size is None else list(state.source_size),
            synthetic=state.synthetic,
            flip=self.config.turn,
            rate=self.config.rate,
            camera_frames_per_second=round(state.frames_per_second, 1),
            frames_per_second=round(telemetry.frames_per_second(), 1),
            age_ms=AgeDocument.of(telemetry.ages()),
            frames=telemetry.frames,
            dropped=DroppedDocument.of(replace(telemetry.dropped, damaged=state.damaged + state.bad)),
            stale=telemetry.stale,
            captured=state.captured,
            invalid=self.invalid,
            reconnects=state.reconnects,
            conversions=telemetry.conversions,
            copies=telemetry.copies,
        )


def shown(config: CameraConfig) -> str:
    """The source without credentials; a pipeline by that word, since nobody knows what stands in it."""
    return "pipeline" if config.source is None else uris.parse(config.source).shown


def _keys(watches: tuple[WatchState, ...]) -> frozenset[AlarmKey]:
    return frozenset((watch.config.name, watch.camera) for watch in watches)
