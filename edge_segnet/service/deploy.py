"""Another model, while the service runs: on the reload's worker, a stage at a time.

    checking --> building --> shadow --> canary --> serving
       |             |           |          `--worse--> reverted: the old model is back with the next frame
       `-------------+-----------+--> refused: the old model has served all the time
    at any stage: a stop, new settings, a crash --> interrupted: the old model serves

The old model stays open until the end. Only then the journal names the new one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from edge_segnet.core import threads
from edge_segnet.core.errors import BudgetMissed, EdgeSegnetError, ModelError
from edge_segnet.core.soundness import require_valid
from edge_segnet.core.types import Frame, Result
from edge_segnet.engine.golden import golden_frame
from edge_segnet.service import aside, judge
from edge_segnet.service import model as models
from edge_segnet.service.judge import Shadow, Trial, Vitals, Worse
from edge_segnet.service.ledger import Ledger
from edge_segnet.service.model import Loaded
from edge_segnet.service.state import State
from edge_segnet.settings import deployed
from edge_segnet.settings.deployed import Request, Served
from edge_segnet.settings.schema import Config

SHARE: Final = 0.25
"""Of the time, what the new model may compute beside the old one."""
LOOK_S: Final = 0.005
"""Between two looks whether a result is no number: less than a camera's frame, so that one is lost, not two."""
WAKE_S: Final = 0.05
"""Between two looks at a model on trial, and at whether it is to end."""
STOPPED: Final = "the service was stopped"
"""What ``Hands.disturbed`` says of that."""
WARM_S: Final = 10.0
"""For a service that has just begun to show how it is with the old model."""


class Interrupted(BudgetMissed):
    """Something else came before the end."""


@dataclass(frozen=True)
class Hands:
    """What the reload's worker does for a deployment. ``swap`` puts a model at work, between two frames; on trial
    (True) it gives its place back by itself with the first frame of which it makes no numbers. ``let_go`` closes one
    when no loop uses it any more; ``disturbed`` says what came up meanwhile ("": nothing).
    """

    swap: Callable[[Config, Loaded, bool], None]
    let_go: Callable[[Loaded], None]
    disturbed: Callable[[], str]


@dataclass(frozen=True, eq=False)
class Side:
    """A model, and the settings that have it at work."""

    config: Config
    loaded: Loaded


class Deployer:
    """All of it is the worker's."""

    def __init__(self, state: State, ledger: Ledger, hands: Hands) -> None:
        self._state, self._ledger, self._hands = state, ledger, hands

    def run(self, request: Request, config: Config, own: str) -> None:
        """Do what is asked for; whatever is raised is told, and the old model serves. ``config`` is at work; ``own`` is
        what its file has as ``model``.
        """
        assert self._state.loaded is not None
        try:
            self._ledger.begin(request)
            deployed.withdraw()
            self._deploy(request, Side(config, self._state.loaded), own)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the old model serves, and who asked must hear
            deployed.withdraw()
            known = isinstance(error, EdgeSegnetError)
            code = error.exit_code if isinstance(error, EdgeSegnetError) else 1
            why = str(error) if known else threads.told(error)
            self._ledger.fail(why, code, interrupted=isinstance(error, Interrupted))
            if isinstance(error, Worse):
                self._ledger.tell(error)
        finally:
            self._ledger.close()

    def rebuild(self, config: Config, error: Exception) -> None:
        """At the start, for a deployed model that doesn't open: an upgrade of TensorRT makes its engine stale.

        Raises:
            ModelError: its engine can't be built; ``error`` itself where no engine is to blame.
        """
        model = Path(config.model)
        if config.backend == "auto" and not deployed.engine_of(model).exists():
            raise error
        if config.backend not in ("auto", "tensorrt"):
            raise error

        def look() -> None:
            if self._hands.disturbed() == STOPPED:
                raise Interrupted(STOPPED)
            self._state.waiting, self._state.stirred_s = f"{model.name}: its engine is built again", time.monotonic()

        aside.build(model, config.network_size, look)

    def _deploy(self, request: Request, old: Side, own: str) -> None:
        target = self._target(request, own)
        wanted = old.config.model_copy(update={"model": own if target.own else str(deployed.file_of(target.sha256))})
        before = self._vitals() if request.canary_s else {}
        if aside.needs_engine(wanted, old.loaded) and not target.own:
            self._ledger.stage("building", "the engine")
            aside.build(deployed.file_of(target.sha256), wanted.network_size, self._look)
            self._ledger.stage("checking", "the engine")
        new = Side(wanted, models.load(wanted))
        try:
            _check_alike(old.loaded, new.loaded)
            if request.canary_s:
                self._shadow(request, old.loaded, new.loaded)
            self._serve(request, old, new, target, own, before)
        finally:
            for each in (old.loaded, new.loaded):
                if each is not self._state.loaded:
                    self._hands.let_go(each)

    def _target(self, request: Request, own: str) -> Served:
        before = self._ledger.journal.before
        if not request.back:
            return Served(request.sha256, request.name, own)
        if not before:
            raise ModelError("no model served before this one", hint="deploy one: edge-segnet service model FILE.onnx")
        return before[-1]

    def _vitals(self) -> dict[str, Vitals]:
        """How the old model does, before anything else takes the machine's time."""
        until = time.monotonic() + WARM_S
        while not (found := judge.vitals(self._state.running)):
            if time.monotonic() > until:
                judge.require(0)
            self._pause(LOOK_S)
        return found

    def _shadow(self, request: Request, old: Loaded, new: Loaded) -> None:
        self._ledger.stage("shadow", "beside the old model")
        shadow, until = Shadow(old, new), time.monotonic() + request.canary_s / 2
        seen: dict[str, Result] = {}
        while (left_s := until - time.monotonic()) > 0:
            result = self._newest(seen)
            if result is None:
                self._pause(LOOK_S)
                continue
            seen[result.frame.camera] = result
            started_s = time.monotonic()
            shadow.look(result)
            took_s = time.monotonic() - started_s
            self._pause(min(took_s * (1 / SHARE - 1), left_s))
            self._ledger.progress(f"{shadow.frames} frames, {100 * shadow.agreement:.1f} % agree, {left_s:.0f} s to go")
        shadow.judge(request.limits, next(iter(seen), ""))

    def _newest(self, seen: Mapping[str, Result]) -> Result | None:
        """A result that was not looked at yet; of several cameras, the one whose turn is longest ago."""
        lasts = {name: camera.telemetry.last for name, camera in self._state.running.items()}
        fresh = [last for name, last in lasts.items() if last is not None and last is not seen.get(name)]
        turns = {name: result.frame.captured_ns for name, result in seen.items()}
        return min(fresh, key=lambda result: turns.get(result.frame.camera, 0), default=None)

    def _serve(
        self, request: Request, old: Side, new: Side, target: Served, own: str, before: Mapping[str, Vitals]
    ) -> None:
        """The new model serves; if it is worse, the old one again with the next frame."""
        self._ledger.stage("canary", "in the old model's place")
        self._look()
        self._hands.swap(new.config, new.loaded, bool(request.canary_s))
        if self._state.loaded is not new.loaded:
            self._look()  # nothing is committed any more: the service ends
        try:
            if request.canary_s:
                self._try(request, before)
                self._hands.swap(new.config, new.loaded, False)
            now = self._ledger.journal.deployed or Served(old.loaded.sha256, old.loaded.card.name, own, own=True)
            names = f"{new.loaded.card.name} serves, before it {old.loaded.card.name}"
            self._ledger.accept(request, target, now, names)
        except BaseException:
            self._hands.swap(old.config, old.loaded, False)
            raise

    def _try(self, request: Request, before: Mapping[str, Vitals]) -> None:
        trial, until = Trial(self._state.running, before, request.limits), time.monotonic() + request.canary_s / 2
        while (left_s := until - time.monotonic()) > 0:
            self._pause(min(LOOK_S, left_s))
            trial.look()
            self._ledger.progress(f"{left_s:.0f} s to go")
        trial.judge()

    def _look(self) -> None:
        """Raises Interrupted."""
        if what := self._hands.disturbed():
            raise Interrupted(f"{what} in the middle of it; the old model serves", hint="deploy it again")

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        self._look()
        while (left_s := until - time.monotonic()) > 0:
            time.sleep(min(left_s, WAKE_S))
            self._look()


def _check_alike(old: Loaded, new: Loaded) -> None:
    """Both segment the stored picture; a swap between two frames needs the same fit.

    Raises:
        ModelError: it makes no numbers, or one class of all of it; or the cameras would have to be opened again.
    """
    name = new.card.name
    if old.card.fit != new.card.fit:
        what = f"{name} wants fit {new.card.fit}, the model at work {old.card.fit}: cameras must be opened again for it"
        raise ModelError(what, hint="name it as model: in the settings")
    kinds = []
    for each in (old, new):
        image = golden_frame(each.card.size, each.card.fit)
        frame = Frame(image, None, 0, time.monotonic_ns(), time.time(), "golden")
        found = require_valid(each.backend.infer([frame])[0], each.card.name)
        kinds.append(np.count_nonzero(found.counts))
    if kinds[1] == 1 < kinds[0]:
        raise ModelError(f"{name}: one class is all that it sees in the stored picture", hint="was it trained?")
