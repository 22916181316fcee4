"""What the maintainer scripts of the .deb call: the same steps, with the robot's service kept running over an upgrade.

A new version that does not become ready is not served: the one before, which ``preinst`` kept beside (hard links, so it
costs no room), is started by a drop-in until a version comes that works.
"""

from __future__ import annotations

import contextlib
from contextlib import ExitStack
from typing import Final

from edge_segnet.core.errors import EdgeSegnetError, UsageError
from edge_segnet.doctor import systemd
from edge_segnet.doctor.place import Place
from edge_segnet.install import machine as machines
from edge_segnet.install.machine import DROP_INS, SERVICE, UNITS, call
from edge_segnet.install.program import BEFORE, forget_before
from edge_segnet.install.service import PARTS, RECORD, Say, give_way, restart
from edge_segnet.install.steps import Record, replace

VERSION_BEFORE: Final = DROP_INS / "90-version-before.conf"
TEXT: Final = f"""# A new version did not become ready, so the one before it serves. A version that works removes this.
[Service]
ExecStart=
ExecStart={BEFORE}/bin/python -m edge_segnet run --config /etc/edge-segnet/config.yaml --refuse-synthetic
"""


def configure(place: Place, say: Say) -> None:
    """After unpacking: user, folders, units; and, if the service is in use, the new version in the place of the old.

    Raises:
        EdgeSegnetError: the new version does not become ready; the one before runs on, if there was one.
    """
    call("systemd-sysusers", "edge-segnet.conf")
    call("systemd-tmpfiles", "--create", "edge-segnet.conf")
    unit = systemd.read(place)
    if unit is None:
        return  # in a container image, or a chroot
    machine = machines.look(place, unit, jetson=False)
    with ExitStack() as undo:
        record = Record.read(RECORD)
        steps = [step for name in PARTS for step in give_way(UNITS / name, record)]
        for step in steps:
            say(step.text)
            step.do(undo)
        if steps:
            record.write()
        undo.pop_all()
    VERSION_BEFORE.unlink(missing_ok=True)
    call("systemctl", "daemon-reload")
    if machine.enabled:
        say(f"restart {SERVICE} with the new version, and wait until it is ready")
        _restart(place, say)
    forget_before()


def _restart(place: Place, say: Say) -> None:
    try:
        restart(place)
    except EdgeSegnetError:
        if (BEFORE / "pyvenv.cfg").is_file():
            _serve_before(say)
        raise


def _serve_before(say: Say) -> None:
    replace(VERSION_BEFORE, TEXT.encode(), 0o644)
    call("systemctl", "daemon-reload")
    with contextlib.suppress(EdgeSegnetError):
        call("systemctl", "reset-failed", SERVICE)
    call("systemctl", "restart", SERVICE)
    say(f"the version before serves instead, from {BEFORE}")


def check_called_by_package(place: Place) -> None:
    """Raises UsageError for people: these are steps of a package's scripts."""
    if not any(place.path(str(path)).exists() for path in machines.PACKAGED):
        raise UsageError("edge-segnet is no package here", hint="use: edge-segnet service install")
