"""The systemd unit: what ``systemctl show`` tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from edge_segnet.doctor.place import said
from edge_segnet.doctor.report import BUDGET, OUTSIDE, SETTINGS, Finding, green, grey, red, yellow
from edge_segnet.doctor.systemd import NAME, Unit

if TYPE_CHECKING:
    from edge_segnet.doctor.context import Context

LOG: Final = "journalctl -u edge-segnet -e"
RETRY: Final = "then: sudo systemctl restart edge-segnet"
SET_UP: Final = {
    200: ("its working directory is missing", "sudo systemd-tmpfiles --create edge-segnet.conf"),
    203: ("the program is not where ExecStart= says", "install it to /opt/edge-segnet, or set ExecStart= in a drop-in"),
    216: ("a group of the unit is missing", "getent group video render; correct SupplementaryGroups= in a drop-in"),
    217: ("its user is missing", "sudo systemd-sysusers"),
    226: ("a folder of ReadWritePaths= is missing", "make it, or correct the drop-in"),
    238: ("its state folder can't be made", "ls -ld /var/lib/edge-segnet; is the disk full or read-only?"),
    243: ("/etc/edge-segnet/token is missing", "sudo systemd-tmpfiles --create edge-segnet.conf"),
}
"""Exit codes of systemd itself (systemd.exec(5), "Process exit codes")."""
OURS: Final = {
    2: "wrong settings",
    3: "the model or engine is unusable",
    4: "a camera or an output is unusable",
    6: "the GPU was lost",
}


def check(context: Context) -> Iterator[Finding]:
    """Is it installed, will it start at boot, does it run?"""
    unit = context.unit
    if unit is None:
        yield grey("unit", "systemd does not run here, or does not answer")
    elif not unit.installed:
        yield grey("unit", f"no {NAME} is installed; docs/service.md says how")
    else:
        if unit["NeedDaemonReload"] == "yes":
            yield yellow("unit", "its file was changed after systemd read it", "sudo systemctl daemon-reload")
        yield _state(unit)


def _state(unit: Unit) -> Finding:
    state = f"{unit['ActiveState']} ({unit['SubState']})"
    facts: dict[str, Any] = {"state": unit["ActiveState"], "restarts": int(unit["NRestarts"] or 0)}
    words = f"{state}: {unit['StatusText']}" if unit["StatusText"] else state
    if unit["ActiveState"] == "failed":
        return _failed(unit)
    if unit["SubState"] == "auto-restart":
        reason = why(unit)[0]
        return yellow("unit", f"it keeps ending and is started again: {reason}{last_words()}", LOG, **facts)
    if unit["ActiveState"] in ("active", "activating", "reloading"):
        if unit["UnitFileState"] == "disabled":
            return yellow("unit", f"{words}; not at the next boot", "sudo systemctl enable edge-segnet", **facts)
        return green("unit", words, **facts)
    enabled = unit["UnitFileState"] == "enabled"
    more = "" if enabled else "; nor does it start at boot"
    start = "sudo systemctl start edge-segnet" if enabled else "sudo systemctl enable --now edge-segnet"
    return yellow("unit", f"installed, but not running{more}", start, **facts)


def _failed(unit: Unit) -> Finding:
    reason, remedy, code = why(unit)
    seen = f"failed: {reason}{last_words()}"
    return red("unit", code, seen, f"{remedy}; {RETRY}", restarts=int(unit["NRestarts"] or 0))


def last_words() -> str:
    """The last error of its log, as far as this user may read that."""
    lines = said(["journalctl", "-u", NAME, "-n", "50", "-o", "cat", "-q", "--no-pager"]) or ""
    # Not by priority: what ends a start is said before the journal's format is known.
    errors = [line for line in lines.splitlines() if "error: " in line]
    return f"; it said: {errors[-1][:200]}" if errors else ""


def why(unit: Unit) -> tuple[str, str, int]:
    """(reason, what to do, our exit code) of the unit's last end."""
    status = int(unit["ExecMainStatus"] or 0)
    match unit["Result"]:
        case "oom-kill":
            return "it used more memory than it may (MemoryMax=)", f"a smaller model or size; {LOG}", BUDGET
        case "watchdog":
            return "no loop made progress for WatchdogSec=", LOG, BUDGET
        case "timeout":
            return "it was not ready in time (TimeoutStartSec=)", LOG, BUDGET
    if unit["ActiveState"] == "failed" and unit.gave_up:
        words = f"it failed too often in too short a time, the last time with exit code {status}"
        return words, f"{LOG}; sudo systemctl reset-failed edge-segnet", status if status in OURS else SETTINGS
    if status in SET_UP:
        reason, remedy = SET_UP[status]
        return f"{reason} (status {status})", remedy, SETTINGS
    reason = OURS.get(status, unit["Result"] or "unknown")
    return f"{reason} (exit code {status})", f"the reason is in: {LOG}", status if status in OURS else OUTSIDE
