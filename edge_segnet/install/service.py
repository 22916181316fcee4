"""Install and take away the service: plan, say, do; and the way back if it does not become ready."""

from __future__ import annotations

import contextlib
import pwd
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import (
    BudgetMissed,
    DeviceLost,
    EdgeSegnetError,
    ModelError,
    OutputError,
    SettingsError,
    UsageError,
)
from edge_segnet.doctor import systemd, unit
from edge_segnet.doctor.place import Place, said
from edge_segnet.install import machine as machines
from edge_segnet.install import program as programs
from edge_segnet.install import settings, share
from edge_segnet.install.machine import DROP_INS, ENGINE, HELPERS, OPENVINO, RECOVER, SERVICE, UNITS, Machine, call
from edge_segnet.install.program import Program
from edge_segnet.install.settings import CONFIG, TOKEN, Wanted
from edge_segnet.install.steps import Record, Step, lay, remove_tree, replace, way_back
from edge_segnet.settings.schema import Config

JETSON: Final = DROP_INS / "jetson.conf"
USERS: Final = Path("/etc/sysusers.d/edge-segnet.conf")
FOLDERS: Final = Path("/etc/tmpfiles.d/edge-segnet.conf")
RECORD: Final = Path("/etc/edge-segnet/.installed.json")
PARTS: Final = (SERVICE, ENGINE, *HELPERS)
STATE: Final = (Path("/var/lib/edge-segnet"), Path("/var/cache/edge-segnet"))
"""The unit makes them at its first start."""
USER: Final = "edge-segnet"
POLL_S: Final = 0.1
WAITING_S: Final = 15.0
"""So long a model may still be being written when the service starts."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Request:
    """What the command line asks for. ``jetson``: None means to look."""

    source: str | None = None
    config: Path | None = None
    jetson: bool | None = None
    token: bool = False
    openvino: bool = False


@dataclass(frozen=True)
class Plan:
    """``changes`` is empty where this installation is there already, as it should be."""

    machine: Machine
    changes: list[Step]
    record: Record

    @property
    def starts(self) -> bool:
        """Whether the service has to be started, or started again."""
        return bool(self.changes) or not self.machine.active or not self.machine.enabled

    @property
    def lines(self) -> list[str]:
        """What will be done, a line each."""
        told = [step.text for step in self.changes]
        if self.starts:
            engine = f" (after {ENGINE}, which builds the TensorRT engine)" if self.machine.jetson else ""
            verb = "restart" if self.machine.active else "start"
            told.append(f"{verb} {SERVICE}{engine}, now and at every boot, and wait until it is ready")
        return told


def plan(request: Request, place: Place) -> Plan:
    """Look, and refuse what would not end well; changes nothing.

    Raises:
        UsageError, SettingsError, OutputError: with what to do about it.
    """
    machine = machines.look(place, systemd.read(place), request.jetson)
    program = Program.here()
    if machine.packaged and not program.at_home:
        hint = "use its command: /usr/bin/edge-segnet service install; or remove it first: apt remove edge-segnet"
        raise UsageError("edge-segnet is installed here as a package", hint=hint)
    wanted = settings.wanted(request.source, request.config, jetson=machine.jetson, token=request.token)
    config = settings.check(wanted)
    machines.check_ports(machine, config)
    machines.check_room()
    if request.openvino and find_spec("openvino") is None:
        hint = f"install it there, then run this again: {sys.executable} -m pip install openvino"
        raise UsageError(f"OpenVINO is not installed for {sys.executable}", hint=hint)
    record = Record.read(RECORD)
    moves = programs.steps(program)
    if moves and not program.at_home:
        programs.check_space(program)
    units = _unit_steps(machine, record, openvino=request.openvino)
    steps = [*moves, *units, *_settings_steps(wanted, record), *_helper_steps(config)]
    return Plan(machine, steps, record)


def _unit_steps(machine: Machine, record: Record, *, openvino: bool) -> list[Step]:
    systemd = share.folder("systemd")
    drop_ins = [path for path, wanted in ((JETSON, machine.jetson), (OPENVINO, openvino)) if wanted]
    files = {path: systemd / DROP_INS.name / path.name for path in drop_ins}
    if machine.packaged:
        steps = [step for name in PARTS for step in give_way(UNITS / name, record)]
        users = []
    else:
        files |= {UNITS / name: systemd / name for name in PARTS}
        files |= {USERS: systemd / "sysusers.d" / USERS.name, FOLDERS: systemd / "tmpfiles.d" / FOLDERS.name}
        steps = []
        users = [Step(f"make the user {USER}, which no one can log in as", _make_user)] if not _has_user() else []
    for path, source in files.items():
        steps += lay(path, source.read_bytes(), record)
    return [*steps, *users]


def give_way(path: Path, record: Record) -> list[Step]:
    """A unit of an earlier installation by hand, or by us, would hide the package's."""
    try:
        ours = record.ours(path, path.read_bytes())
    except OSError:
        return []
    if not ours:
        return []

    def do(undo: ExitStack) -> None:
        undo.callback(way_back(path))
        path.unlink()
        record.hashes.pop(str(path), None)

    return [Step(f"remove {path}: the package has its own", do)]


def _settings_steps(wanted: Wanted, record: Record) -> list[Step]:
    steps = lay(CONFIG, wanted.config, record, 0o640)
    if wanted.token is not None:
        token = wanted.token

        def do(undo: ExitStack) -> None:
            undo.callback(way_back(TOKEN))
            replace(TOKEN, token, 0o600)

        steps.append(Step(f"make a token in {TOKEN}, by which other machines may watch", do))
    return steps


def _helper_steps(config: Config) -> list[Step]:
    """Root's helper with cameras is laid always, and listens only where the settings want it."""
    if config.recover is None or said(["systemctl", "is-enabled", RECOVER]) is not None:
        return []

    def do(undo: ExitStack) -> None:
        call("systemctl", "daemon-reload")
        undo.callback(_try, "systemctl", "disable", "--now", "--quiet", RECOVER)
        call("systemctl", "enable", "--now", "--quiet", RECOVER)

    return [Step(f"enable {RECOVER}, which the settings ask for (recover:)", do)]


def _has_user() -> bool:
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return False
    return True


def _make_user(undo: ExitStack) -> None:
    undo.callback(remove_user)
    call("systemd-sysusers", USERS)


def remove_user() -> None:
    """Where it is."""
    _try("userdel", USER)


def carry_out(plan: Plan, say: Say) -> None:
    """Do it, or leave the machine as it was.

    Raises:
        EdgeSegnetError: why it was not done; with the service's own exit code where it did not become ready.
    """
    if not plan.starts:
        say("nothing to do: it is installed, and it runs")
        return
    with ExitStack() as undo:
        undo.callback(_as_before, plan.machine)
        for step in plan.changes:
            say(step.text)
            step.do(undo)
        for path in (RECORD, TOKEN):
            undo.callback(way_back(path))
        plan.record.write()
        for folder in (folder for folder in STATE if not folder.exists()):
            undo.callback(remove_tree, folder)
        call("systemd-tmpfiles", "--create", "edge-segnet.conf")
        say(plan.lines[-1])
        _start(plan.machine, undo)
        undo.pop_all()
    programs.forget_before()


def _start(machine: Machine, undo: ExitStack) -> None:
    units = [SERVICE, ENGINE] if machine.jetson else [SERVICE]
    call("systemctl", "daemon-reload")
    undo.callback(_stop, units, machine)
    call("systemctl", "enable", "--quiet", *units)
    restart(machine.place)


def restart(place: Place) -> None:
    """Start the service, again if it runs, and wait until it is ready: as long as it says itself that it takes, with a
    TensorRT engine that is built before.

    Raises:
        EdgeSegnetError: it failed, with its own exit code; or it waits for something that may never come.
    """
    call("systemctl", "reset-failed", SERVICE)
    call("systemctl", "restart", "--no-block", SERVICE)
    patience, asked = time.monotonic() + WAITING_S, False
    while True:
        time.sleep(POLL_S)
        unit_now = systemd.read(place) or systemd.Unit()
        match unit_now["ActiveState"], unit_now["SubState"]:
            case "active", _:
                return
            case ("failed", _) | (_, "auto-restart"):
                raise not_ready(unit_now)
            case "activating", _:
                asked = True
            case "inactive", _ if asked:
                raise not_ready(unit_now)
        if not unit_now["StatusText"].startswith("waiting"):
            patience = time.monotonic() + WAITING_S
        elif time.monotonic() > patience:
            raise ModelError(f"{SERVICE} is {unit_now['StatusText']}", hint="put it there, and run this again")


def not_ready(found: systemd.Unit) -> EdgeSegnetError:
    """Why the service did not become ready, as an error with its exit code."""
    reason, remedy, code = unit.why(found)
    kinds: tuple[type[EdgeSegnetError], ...] = (SettingsError, ModelError, DeviceLost, BudgetMissed)
    kind = next((one for one in kinds if one.exit_code == code), OutputError)
    return kind(f"{SERVICE} did not become ready: {reason}{unit.last_words()}", hint=remedy)


def _stop(units: list[str], machine: Machine) -> None:
    _try("systemctl", "stop", SERVICE)
    if not machine.enabled:
        _try("systemctl", "disable", "--quiet", *units)


def _try(*words: str) -> None:
    """On the way back nothing stops."""
    with contextlib.suppress(EdgeSegnetError):
        call(*words)


def _as_before(machine: Machine) -> None:
    """Last on the way back: what ran runs again."""
    for words in (("daemon-reload",), ("reset-failed", SERVICE), *([("restart", SERVICE)] if machine.active else [])):
        _try("systemctl", *words)
