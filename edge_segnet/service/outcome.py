"""How the last reload ended: told by the service, in a file of its state folder, to who asked for it."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from edge_segnet.core.files import state_folder, write_bytes

FILE: Final = "reload.json"


@dataclass(frozen=True)
class Outcome:
    """``generation`` counts the settings that were at work, the first being 1; a refused reload keeps it.

    ``began_ns`` (monotonic, which all processes of the machine share): when the settings began to be read, so that who
    asked later knows that this was not for him. ``born``: see ``birth``.
    """

    pid: int
    born: int
    generation: int
    began_ns: int
    ok: bool
    message: str = ""

    def write(self) -> None:
        """Raises OutputError: the state folder can't be written."""
        write_bytes(state_folder() / FILE, json.dumps(asdict(self)).encode() + b"\n", 0o644)

    @property
    def lives(self) -> bool:
        """Whether the service that told it still runs."""
        return birth(self.pid) == self.born


def read() -> Outcome | None:
    """What the service told last; None: nothing, or nothing that can be read."""
    try:
        found = json.loads((state_folder() / FILE).read_text(encoding="utf-8"))
        return Outcome(**found)
    except (OSError, ValueError, TypeError):
        return None


def birth(pid: int) -> int:
    """When a process was started, in the kernel's ticks since boot (proc(5), stat, field 22); 0: there is none. With it
    a number that another process got later is not taken for the first.
    """
    try:
        facts = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return int(facts.rpartition(")")[2].split()[19])


def wait_for(asked_ns: int, pid: int, timeout_s: float, poll_s: float = 0.05) -> Outcome | None:
    """The outcome of the first reload that began after ``asked_ns``; None: the process ended, or time did."""
    born, until = birth(pid), time.monotonic() + timeout_s
    while time.monotonic() < until and born and birth(pid) == born:
        found = read()
        if found is not None and found.pid == pid and found.began_ns >= asked_ns:
            return found
        time.sleep(poll_s)
    return None


def here(generation: int, began_ns: int, message: str = "") -> Outcome:
    """Of this process; a ``message`` says why the settings were refused."""
    pid = os.getpid()
    return Outcome(pid, birth(pid), generation, began_ns, not message, message)
