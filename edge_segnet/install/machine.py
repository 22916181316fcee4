"""What stands in the way of a service on this machine; all of it is asked before anything is changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import OutputError, UsageError
from edge_segnet.doctor import ports
from edge_segnet.doctor.context import Context
from edge_segnet.doctor.place import Place
from edge_segnet.doctor.software import JETPACK, OLDEST_L4T
from edge_segnet.doctor.systemd import Unit
from edge_segnet.settings.schema import Config

SERVICE: Final = "edge-segnet.service"
ENGINE: Final = "edge-segnet-engine.service"
RECOVER: Final = "edge-segnet-recover.socket"
HELPERS: Final = (RECOVER, "edge-segnet-recover@.service")
UNITS: Final = Path("/etc/systemd/system")
DROP_INS: Final = UNITS / f"{SERVICE}.d"
OPENVINO: Final = DROP_INS / "openvino.conf"
"""Lets OpenVINO make machine code under the unit."""
PACKAGED: Final = (Path("/usr/lib/systemd/system") / SERVICE, Path("/lib/systemd/system") / SERVICE)
"""Where a package of the distribution's lays the unit."""
ROOM: Final = 16 << 20
"""Bytes that settings and the first hours of a service need at least."""


@dataclass(frozen=True)
class Machine:
    """``packaged``: the program and its unit came as a package of the distribution's."""

    place: Place
    unit: Unit
    packaged: bool
    jetson: bool

    @property
    def active(self) -> bool:
        return self.unit["ActiveState"] == "active"

    @property
    def enabled(self) -> bool:
        return self.unit["UnitFileState"] in ("enabled", "enabled-runtime")


def look(place: Place, unit: Unit | None, jetson: bool | None) -> Machine:
    """The machine, if a service can live on it.

    Args:
        jetson: None: a Jetson is recognised by itself.

    Raises:
        UsageError: no systemd, not root, or a JetPack that nobody knows.
    """
    if unit is None:
        hint = "start it by hand: edge-segnet run --config FILE; in a container that command is the service"
        raise UsageError("systemd does not run here, or does not answer", hint=hint)
    packaged = any(place.path(str(path)).exists() for path in PACKAGED)
    return Machine(place, unit, packaged, _is_jetson(place) if jetson is None else jetson)


def need_root(command: str) -> None:
    """Raises UsageError for others than root."""
    if os.geteuid() != 0:
        called = Path(sys.argv[0]).absolute()
        program = called if os.access(called, os.X_OK) else f"{sys.executable} -m edge_segnet"
        raise UsageError(f"{command} changes this machine, which only root may", hint=f"sudo {program} {command}")


def _is_jetson(place: Place) -> bool:
    if not place.path("/etc/nv_tegra_release").exists():
        return False
    found = place.l4t
    if found is None or found[0] not in JETPACK:
        what = f"an unknown JetPack (L4T {found[1] if found else 'without a number'})"
        hint = "--jetson installs as for the newest that is known, --pc without the GPU"
        raise UsageError(what, hint=hint)
    major, release = found
    if (major, int(release.split(".")[1])) < OLDEST_L4T:
        hint = "flash JetPack 6.1 or newer, or install without the GPU: --pc"
        raise UsageError(f"JetPack {JETPACK[major][0]} (L4T {release}) is too old for TensorRT here", hint=hint)
    return True


def check_room(folders: Sequence[str] = ("/etc", "/var/lib")) -> None:
    """Raises OutputError on a full disk."""
    for folder in folders:
        free = shutil.disk_usage(folder).free
        if free < ROOM:
            what = f"{folder}: {free / 1e6:.0f} MB are free, {ROOM / 1e6:.0f} MB are needed"
            raise OutputError(what, hint="free some space and run it again")


def check_ports(machine: Machine, config: Config) -> None:
    """Raises OutputError where another program has a port of the settings."""
    for finding in ports.check(Context(machine.place, config, None, None, machine.unit)):
        if finding.status == "red":
            raise OutputError(f"{finding.subject}: {finding.seen}", hint=finding.remedy)


def call(*words: str | Path) -> None:
    """Run a program of systemd's; raises OutputError with what it says."""
    command = [str(word) for word in words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise OutputError(
            f"{command[0]}: {error.strerror or error}", hint="systemd's own programs are needed"
        ) from error
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[:1] or [f"exit code {done.returncode}"]
        raise OutputError(f"{' '.join(command)}: {last[0]}", hint="journalctl -e may say more")
