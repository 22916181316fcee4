"""A reload is a transaction: plan, prepare, commit, retire. The start is the first one.

    main thread                worker
        `---- ask ---------->  read the settings, plan, prepare: all that is made is held in one ExitStack
                               `- any exception, of whatever kind: all of it is closed; the old settings stay
    commit  <---- ready -----  (references into slots that loops and sinks take between two frames)
        `---- done --------->  retire: close what nobody uses any more

The main thread waits for nothing here: it commits when something is ready, and goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_segnet.backends.reading import Reading
from edge_segnet.core import threads
from edge_segnet.core.errors import DeviceLost, ModelError
from edge_segnet.core.pace import Deadline
from edge_segnet.graph.model_files import find_model
from edge_segnet.scene import interpreter
from edge_segnet.scene.events import AlarmKey
from edge_segnet.service import model as models
from edge_segnet.service.answer import Answer
from edge_segnet.service.camera import Camera, Surroundings
from edge_segnet.service.deploy import STOPPED, Deployer, Hands
from edge_segnet.service.leaving import Leaving
from edge_segnet.service.ledger import Ledger
from edge_segnet.service.model import Loaded, Setup
from edge_segnet.service.plan import Prepared, is_another
from edge_segnet.service.sinks import SinkManager
from edge_segnet.service.state import State
from edge_segnet.service.watched import Watched
from edge_segnet.settings.schema import Config

logger = logging.getLogger(__name__)
LOOK_S: Final = 0.5
"""Between two looks at the settings file, at a model that is waited for, and at what may be closed."""
STOP_S: Final = 1.0
"""For cameras that are gone to finish their frames."""


@dataclass(frozen=True)
class Origin:
    """Where the settings come from. ``reread`` raises SettingsError; ``file`` is watched for changes.

    ``wait_for_model``: a model file that the settings file names may come later; one that the command line names is a
    mistake if it isn't there.
    """

    reread: Callable[[], Config]
    file: Path | None = None
    wait_for_model: bool = False


class Reloader:
    """Owns what is at work; ``ask`` and ``commit`` are the main thread's, everything else happens on the worker."""

    def __init__(self, first: Config, origin: Origin, state: State, sinks: SinkManager, around: Surroundings) -> None:
        self._origin, self._state, self._sinks, self._around = origin, state, sinks, around
        self._ledger = Ledger(state)
        self._leaving = Leaving(lambda: state.running)
        hands = Hands(self._swap, self._leaving.model, self._disturbed)
        self._deployer = Deployer(state, self._ledger, hands)
        self._read, self._config, self._waits = first, self._ledger.applied(first), False
        """As the settings were read; and with a deployed model in its place."""
        self._begun: Reading | None = None
        """The first model, while the sinks are made."""
        self._file = Watched(origin.file)
        self._asked = threading.Event()
        self._stopping = threading.Event()
        self._ready: Prepared | None = None
        self._committed = threading.Event()
        self._answer = Answer(state, around.notify)
        self.failure: BaseException | None = None
        """Why there is nothing to serve with; the end of the service."""
        self._thread = threads.Thread(self._run, "reload", vital=True)

    # -- the main thread's ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin with the first settings."""
        self._thread.start()

    def ask(self) -> None:
        """Have the settings read again."""
        self._asked.set()

    def commit(self) -> bool:
        """Put what is ready at work, if anything is; waits for nobody, and can't fail."""
        new = self._ready
        if new is None:
            return False
        self._ready = None
        self._sinks.commit(new.sinks)
        if new.setup is not None:
            self._around.alarms.want(new.alarms)
            for camera, change in new.changes:
                camera.take(change)
            for camera in new.gone:
                camera.ask_to_stop()
            self._state.take(new.setup, new.running)
        self._config = new.config
        self._committed.set()
        return True

    def stop(self) -> None:
        """Nothing new from now on; a load that is under way is not waited for."""
        self._stopping.set()
        self._asked.set()
        self._committed.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the worker's end."""
        self._thread.join(timeout_s)

    # -- the worker's -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        if self._state.loaded is None and not self._began():
            return
        while not self._stopping.is_set():
            if self._is_asked(LOOK_S):
                self._reload()
            elif not self._stopping.is_set() and (request := self._ledger.asked()) is not None:
                self._deployer.run(request, self._config, self._read.model)
            self._leaving.close_unused()
        self._end()

    def _end(self) -> None:
        """Cameras were asked to stop; what they let go is closed."""
        deadline, loaded = Deadline(STOP_S), self._state.loaded
        for camera in self._state.running.values():
            camera.stop(deadline.left_s)
        if loaded is not None:
            self._leaving.model(loaded)
        self._leaving.close_unused()

    def _is_asked(self, timeout_s: float) -> bool:
        """Whether somebody asked for a reload until then, or the file has changed."""
        asked = self._asked.wait(timeout_s)
        if asked:
            self._asked.clear()  # nothing was read yet: who asks from now on is answered by a later reload
        return (asked or self._file.changed()) and not self._stopping.is_set()

    def _began(self) -> bool:
        """Sinks first, so that they can say what is waited for; then the model and the cameras."""
        began_ns = time.monotonic_ns()
        try:
            self._begun = models.begin(self._config)  # while the sinks are made
            self._waits = True
            self._exchange(lambda made: self._prepared(self._config, made))
            self._wait_for_model()
            self._waits = False
            self._first_model()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the main thread must hear of it
            self.failure = error
            self._around.ring()
            return False
        finally:
            if self._begun is not None:
                self._begun.close()
                self._begun = None
        self._answer.began(began_ns)
        return not self._stopping.is_set()

    def _first_model(self) -> None:
        """The settings' own if the deployed one can't serve any more: a robot must not stand still for it."""
        try:
            self._exchange(lambda made: self._prepared(self._config, made))
        except (ModelError, DeviceLost) as error:
            if self._config.model == self._read.model:
                raise
            self._first_model_again(error)
        else:
            self._ledger.settle(self._read)

    def _first_model_again(self, error: ModelError | DeviceLost) -> None:
        try:
            self._deployer.rebuild(self._config, error)
            self._exchange(lambda made: self._prepared(self._config, made))
        except (ModelError, DeviceLost) as again:
            self._ledger.set_aside(f"it can't serve any more ({again}); {self._read.model} serves")
            self._config = self._read
            self._exchange(lambda made: self._prepared(self._config, made))

    def _wait_for_model(self) -> None:
        """Until the model's file is there; settings may change meanwhile."""
        said = ""
        while self._origin.wait_for_model and not self._stopping.is_set():
            try:
                find_model(self._config.model)
            except ModelError as error:
                self._state.waiting, self._state.stirred_s = error.message, time.monotonic()
                if error.message != said:
                    said = error.message
                    logger.warning("waiting for the model: %s", said, extra={"event": "model-missing"})
            else:
                return
            if self._is_asked(LOOK_S):
                self._reload()

    def _reload(self) -> None:
        began_ns = time.monotonic_ns()
        self._around.notify.reloading()
        self._file.taken()
        try:
            read = self._origin.reread()
            self._exchange(lambda made: self._prepared(self._ledger.applied(read), made))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the old settings stay
            self._answer.refused(error, began_ns, self._file.mark)
        else:
            self._read = read
            self._ledger.settle(read)
            self._answer.reloaded(began_ns)

    def _swap(self, config: Config, loaded: Loaded, on_trial: bool = False) -> None:
        """Another model with the same settings; who asks for it closes the old one."""
        self._exchange(lambda made: self._prepared(config, made, Setup(config, loaded, on_trial)), lets_go=False)

    def _disturbed(self) -> str:
        if self._stopping.is_set():
            return STOPPED
        return "new settings came" if self._asked.is_set() or self._file.changed() else ""

    def _exchange(self, prepare: Callable[[ExitStack], Prepared], *, lets_go: bool = True) -> None:
        """Prepare, have it committed, retire; whatever is raised before the commit closes all that was made."""
        with ExitStack() as made:
            new = prepare(made)
            self._committed.clear()
            if self._stopping.is_set():
                return
            old = self._state.loaded
            self._ready = new
            self._around.ring()
            self._committed.wait()
            if self._stopping.is_set() and self._ready is not None:
                return
            made.pop_all()
        self._retire(new, old if lets_go else None)

    def _prepared(self, config: Config, made: ExitStack, setup: Setup | None = None) -> Prepared:
        """Make what ``config`` asks for and is not there."""
        sinks = self._sinks.prepare(config, made)
        if self._waits:
            return Prepared(config, sinks)
        setup = setup or Setup(config, self._loaded(config, made))
        interpreter.check(config, models.network_of(setup.loaded))
        running = self._state.running
        kept = {name: camera for name, camera in running.items() if camera.stays(setup)}
        fresh = {name: self._camera(name, setup, made) for name in config.cameras if name not in kept}
        cameras = {name: kept.get(name) or fresh[name] for name in config.cameras}
        changes = tuple((camera, camera.change(setup)) for camera in kept.values())
        gone = tuple(camera for name, camera in running.items() if name not in kept)
        judged = [*(camera.watched for camera in fresh.values()), *(change.watched for _, change in changes)]
        alarms = frozenset[AlarmKey]().union(*judged)
        return Prepared(config, sinks, setup, cameras, changes, tuple(fresh.values()), gone, alarms)

    def _loaded(self, config: Config, made: ExitStack) -> Loaded:
        """The model at work, or another that is closed again if this comes to nothing."""
        old = self._state.loaded
        if old is not None and not is_another(config, self._config, old):
            return old
        begun, self._begun = self._begun, None
        if begun is not None and config != self._config:
            begun.close()  # the settings changed before the model could be taken
            begun = None
        loaded = models.load(config, begun)
        made.callback(loaded.backend.close)
        return loaded

    def _camera(self, name: str, setup: Setup, made: ExitStack) -> Camera:
        camera = Camera(name, setup, self._around, self._state.running.get(name))
        made.callback(camera.ask_to_stop)
        camera.start()
        return camera

    def _retire(self, new: Prepared, old: Loaded | None) -> None:
        """Cameras that are gone give their devices back, then new ones take theirs."""
        if new.setup is None:
            return
        deadline = Deadline(STOP_S)
        for camera in new.gone:
            camera.stop(deadline.left_s)
        self._leaving.cameras(new.gone)
        for camera in new.fresh:
            camera.begin()
        self._around.alarms.settle()
        if old is not None and old is not new.setup.loaded:
            self._leaving.model(old)
        self._leaving.close_unused()
