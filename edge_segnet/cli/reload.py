"""``edge-segnet reload``: have the running service read its settings again, and tell how that ended."""

from __future__ import annotations

import logging
import os
import signal
import time

from edge_segnet.core.errors import SettingsError, UsageError
from edge_segnet.core.files import state_folder
from edge_segnet.service import outcome

logger = logging.getLogger(__name__)


def reload(*, wait: bool, timeout_s: float) -> None:
    """Signal the service: the one that systemd names ($MAINPID), else the one of the state folder.

    Raises:
        UsageError: there is none, or it tells nothing in time.
        SettingsError: it refused the settings.
    """
    pid = _service()
    asked_ns = time.monotonic_ns()
    try:
        os.kill(pid, signal.SIGHUP)
    except OSError as error:
        raise UsageError(
            f"process {pid} can't be told ({error.strerror})", hint="ask as its user, or as root"
        ) from error
    if not wait:
        return
    found = outcome.wait_for(asked_ns, pid, timeout_s)
    if found is None:
        folder = state_folder()
        if outcome.birth(pid) == 0:
            raise UsageError(f"the service (process {pid}) has ended", hint="look into its log")
        raise UsageError(
            f"no outcome in {folder} within {timeout_s:g} s",
            hint="is STATE_DIRECTORY the service's, and is its model large? its log tells more",
        )
    if not found.ok:
        raise SettingsError(f"reload refused, the old settings stay: {found.message}")
    logger.info("settings reloaded (generation %d)", found.generation)


def _service() -> int:
    named = os.environ.get("MAINPID", "")
    if named.isdecimal() and int(named) > 0:
        return int(named)
    found = outcome.read()
    if found is None or not found.lives:
        raise UsageError(
            f"no service keeps its state in {state_folder()}",
            hint="name its folder: STATE_DIRECTORY=... edge-segnet reload",
        )
    return found.pid
