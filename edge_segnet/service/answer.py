"""Tells how a reload ended: the log, the status, systemd, and who asked (``outcome``)."""

from __future__ import annotations

import logging
import traceback

from edge_segnet.board.notify import Notifier
from edge_segnet.core import threads
from edge_segnet.core.errors import EdgeSegnetError, OutputError
from edge_segnet.service import outcome
from edge_segnet.service.state import State
from edge_segnet.service.watched import Mark

logger = logging.getLogger(__name__)


class Answer:
    """The reload's worker speaks through it."""

    def __init__(self, state: State, notify: Notifier) -> None:
        self._state, self._notify = state, notify
        self._generation = 0
        self._refused = ""

    def began(self, began_ns: int) -> None:
        """The first settings are at work."""
        self._generation += 1
        self._tell(began_ns, "")

    def reloaded(self, began_ns: int) -> None:
        """Others are."""
        self._generation += 1
        self._refused = ""
        logger.info("settings reloaded", extra={"event": "reloaded"})
        self._state.reloaded("")
        self._tell(began_ns, "")

    def refused(self, error: BaseException, began_ns: int, mark: Mark | None) -> None:
        """The old ones stay. ``mark``: of the settings' file."""
        why = str(error) if isinstance(error, EdgeSegnetError) else threads.told(error)
        # The file's change and the signal that follows it are one mistake, and are told once.
        if (told := f"{mark} {why}") != self._refused:
            self._refused = told
            logger.error("reload refused, the old settings stay: %s", why, extra={"event": "reload-refused"})
            logger.debug("%s", "".join(traceback.format_exception(error)))
        self._state.reloaded(why)
        self._tell(began_ns, why)

    def _tell(self, began_ns: int, why: str) -> None:
        if self._state.ready:
            self._notify.ready()
        try:
            outcome.here(self._generation, began_ns, why).write()
        except OutputError as error:
            logger.debug("nobody can read how the reload ended: %s", error)
