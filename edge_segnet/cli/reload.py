"""``edge-segnet reload``: have the running service read its settings again, and tell how that ended."""

from __future__ import annotations

import logging
import os
import signal
import time
from dataclasses import dataclass
from typing import Annotated

import typer

from edge_segnet.cli.command import program
from edge_segnet.core.errors import SettingsError, UsageError
from edge_segnet.core.files import state_folder
from edge_segnet.service import outcome

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reload:
    """Have the running service read its settings again.

    The service is the one that systemd names ($MAINPID), else the one that keeps its state in $STATE_DIRECTORY.

    With --wait: exit code 0 when the new settings are at work, 2 with the reason when they were refused.

        edge-segnet reload --wait
    """

    wait: Annotated[bool, typer.Option("--wait", help="Tell how it ended, as the exit code and in a line.")] = False
    timeout: Annotated[float, typer.Option(metavar="S", min=0.1, max=3600.0, help="Of --wait.")] = 50.0

    def run(self) -> None:
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
        if not self.wait:
            return
        found = outcome.wait_for(asked_ns, pid, self.timeout)
        if found is None:
            folder = state_folder()
            if outcome.birth(pid) == 0:
                raise UsageError(f"the service (process {pid}) has ended", hint="look into its log")
            raise UsageError(
                f"no outcome in {folder} within {self.timeout:g} s",
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


app = program("reload", Reload)
