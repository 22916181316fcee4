"""Keeps the journal of models, and tells what stands in it: status, log, events. All of it is the worker's."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from edge_segnet.core.documents import DeploymentStage, utc
from edge_segnet.core.errors import BudgetMissed, ModelError, OutputError
from edge_segnet.scene.events import Event
from edge_segnet.service.judge import Worse
from edge_segnet.service.state import State
from edge_segnet.settings import deployed
from edge_segnet.settings.deployed import Attempt, Journal, Request, Served
from edge_segnet.settings.schema import Config

logger = logging.getLogger(__name__)
RULE: Final = "model-worse"
"""The name under which the event log has it."""
SAY_S: Final = 1.0
"""Between two words on how far it is."""


class Ledger:
    """One per service; what a crash cut off is told when it is made."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._now: Attempt | None = None
        self._said_s = self._serves_since_s = 0.0
        self.journal = Journal()
        try:
            self.journal = deployed.read()
        except ModelError as error:
            logger.error("%s", error, extra={"event": "model-journal"})
        if (cut := self.journal.under_way) is not None:
            what = "the service ended in the middle of it; the old model serves"
            self._end(replace(cut, stage="interrupted", message=what, code=BudgetMissed.exit_code))
        elif self.journal.attempts:
            state.deployment = self.journal.attempts[-1].document()

    # -- which model is to serve ------------------------------------------------------------------------------------

    def applied(self, config: Config) -> Config:
        """The settings with the deployed model in the place of their own, if it stands for that."""
        return self.journal.applied(config)

    def settle(self, config: Config) -> None:
        """These settings, as they were read, are at work: a deployed model that they don't have serve is set aside."""
        served = self.journal.deployed
        if served is None:
            return
        if served.instead_of != config.model:
            self.set_aside(f"the settings name another model now, {config.model}")
        elif not deployed.file_of(served.sha256).is_file():
            self.set_aside(f"{deployed.file_of(served.sha256)} is gone; {config.model} serves")

    def set_aside(self, why: str) -> None:
        """The settings' own model serves again."""
        served = self.journal.deployed
        if served is not None:
            self.journal = replace(self.journal, deployed=None, before=())
            self._end(Attempt("", utc(time.time(), "seconds"), served.sha256, served.name, "set aside", why))

    # -- a deployment -----------------------------------------------------------------------------------------------

    def asked(self) -> Request | None:
        """What somebody wants."""
        try:
            return deployed.asked()
        except ModelError as error:
            logger.error("%s", error, extra={"event": "model-refused"})
            return None

    def begin(self, request: Request) -> None:
        """Raises OutputError: the state folder can't be written."""
        self._now = deployed.begun(request)
        self.stage("checking", "the file")

    def stage(self, stage: DeploymentStage, message: str) -> None:
        """The next stage begins; raises OutputError: that can't be written, so it must not begin."""
        now = self._told(stage, message)
        self._serves_since_s = time.monotonic()
        logger.info("model %s: %s: %s", now.name, stage, message, extra={"event": f"model-{stage}"})
        self.journal.write()

    def progress(self, message: str) -> None:
        """How far the stage is; now and then."""
        if time.monotonic() - self._said_s < SAY_S or self._now is None:
            return
        self._said_s = time.monotonic()
        self._told(self._now.stage, message)
        with self._going_on():
            self.journal.write(durably=False)

    def _told(self, stage: DeploymentStage, message: str) -> Attempt:
        assert self._now is not None
        self._now = replace(self._now, stage=stage, message=message)
        self.journal = replace(self.journal, under_way=self._now)
        self._state.deploying(self._now.document())
        return self._now

    def accept(self, request: Request, target: Served, old: Served, message: str) -> None:
        """It serves from now on, and after a restart; raises OutputError: that can't be written."""
        assert self._now is not None
        told = replace(self._now, stage="serving", message=message)
        journal = self.journal.back() if request.back else self.journal.swapped(target, old)
        journal.ended(told).write()
        self.journal = journal
        self._end(told)

    def fail(self, why: str, code: int, *, interrupted: bool = False) -> None:
        """The old model serves."""
        if self._now is None:  # not even its begin could be written
            return
        stage: DeploymentStage = "reverted" if self._now.stage == "canary" else "refused"
        self._end(replace(self._now, stage="interrupted" if interrupted else stage, message=why, code=code))

    def close(self) -> None:
        """A deployment is over; files that nobody can serve any more go."""
        self._now = None
        deployed.prune(self.journal)

    def _end(self, told: Attempt) -> None:
        """In the journal, the status and the log."""
        self.journal = self.journal.ended(told)
        self._state.deploying(told.document())
        level = logging.INFO if told.stage == "serving" else logging.ERROR
        logger.log(
            level, "model %s: %s: %s", told.name, told.stage, told.message, extra={"event": f"model-{told.stage}"}
        )
        with self._going_on():
            self.journal.write()

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """A full disk is told, and no reason to stop."""
        try:
            yield
        except OutputError as error:
            logger.error("%s", error, extra={"event": "model-journal"})

    def tell(self, worse: Worse) -> None:
        """An event, and its end: the old model serves again. It lasted as long as the new one served."""
        assert self._now is not None
        camera = self._state.running.get(worse.camera)
        last = None if camera is None else camera.telemetry.last
        start = Event(
            rule=RULE,
            region="",
            camera=worse.camera,
            class_name=None,
            kind="start",
            at=utc(time.time()),
            value=round(worse.value, 4),
            threshold=round(worse.limit, 4),
            frame_seq=0 if last is None else last.frame.seq,
            measure=worse.measure,
            synthetic=last is not None and last.frame.synthetic,
        )
        served_s = time.monotonic() - self._serves_since_s if self._now.stage == "canary" else 0.0
        self._state.events.append(start)
        self._state.events.append(replace(start, kind="clear", duration_s=round(served_s, 3)))
