"""Take the service away: what was laid goes, what the user made stays unless everything is to go."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Final

from edge_segnet.core.errors import EdgeSegnetError, UsageError
from edge_segnet.doctor import systemd
from edge_segnet.doctor.place import Place
from edge_segnet.install import machine as machines
from edge_segnet.install.machine import DROP_INS, ENGINE, OPENVINO, RECOVER, SERVICE, UNITS, call
from edge_segnet.install.program import BEFORE, COMMAND, HOME, NEXT
from edge_segnet.install.service import FOLDERS, JETSON, PARTS, RECORD, USERS, Say, remove_user
from edge_segnet.install.steps import Record, remove_tree

OURS: Final = (*(UNITS / name for name in PARTS), JETSON, OPENVINO, USERS, FOLDERS)
USERS_OWN: Final = (Path("/etc/edge-segnet"), Path("/var/lib/edge-segnet"), Path("/var/cache/edge-segnet"), DROP_INS)
"""Settings, engines, recordings, events, caches and drop-ins."""


def uninstall(place: Place, say: Say, *, purge: bool, dry_run: bool) -> None:
    """Stop it and remove it; raises UsageError where there is nothing to remove, OutputError where that fails."""
    unit = systemd.read(place)
    if unit is None:
        raise UsageError("systemd does not run here, or does not answer", hint="start this where the service runs")
    machine = machines.look(place, unit, jetson=False)
    files = [path for path in OURS if path.exists()]
    if not machine.packaged:
        files += [path for path in (COMMAND, HOME, BEFORE, NEXT) if _is_ours(path)]
    own = [path for path in USERS_OWN if path.exists()] if purge else []
    if not unit.installed and not files and not own:
        raise UsageError("edge-segnet is not installed as a service", hint="nothing to do")
    if unit.installed:
        say(f"stop {SERVICE}, and start it no more")
        _stop(dry_run)
    record = Record.read(RECORD)
    for path in [*files, *own]:
        if path in OURS and not purge and not record.ours(path, path.read_bytes()):
            say(f"keep {path}, which was changed by hand")
            continue
        say(f"remove {path}")
        if not dry_run:
            remove_tree(path)
            record.hashes.pop(str(path), None)
    _finish(record, say, purge=purge, packaged=machine.packaged, dry_run=dry_run)


def _is_ours(path: Path) -> bool:
    if path == COMMAND:
        return path.is_symlink() and path.readlink().is_relative_to(HOME)
    return (path / "pyvenv.cfg").is_file()


def _stop(dry_run: bool) -> None:
    if dry_run:
        return
    stop, disable = ("stop", SERVICE, ENGINE, RECOVER), ("disable", "--quiet")
    for words in (stop, *((*disable, name) for name in (SERVICE, ENGINE, RECOVER))):
        with contextlib.suppress(EdgeSegnetError):  # one of them is not there
            call("systemctl", *words)


def _finish(record: Record, say: Say, *, purge: bool, packaged: bool, dry_run: bool) -> None:
    if purge:
        say("remove the user edge-segnet")
    else:
        say("settings stay in /etc/edge-segnet, recordings and engines in /var/lib/edge-segnet; --purge removes them")
    if packaged:
        say("the program belongs to a package: apt remove edge-segnet")
    if dry_run:
        return
    if purge and not packaged:
        remove_user()
    elif RECORD.parent.is_dir() and not purge:
        record.write()
    with contextlib.suppress(OSError):
        DROP_INS.rmdir()  # when it is empty
    call("systemctl", "daemon-reload")
    with contextlib.suppress(EdgeSegnetError):
        call("systemctl", "reset-failed", SERVICE)
