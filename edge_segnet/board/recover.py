"""What only the board can mend, done by a small helper that runs as root: a USB camera's port is reset, a Jetson's
camera daemon is started again. The service can ask for these two and nothing else, and only so often a day.

    service --"usb_reset 1-1.2 3" or "restart_argus 3"--> helper --"done" or "refused: why"--> service

systemd starts the helper for each request (``edge-segnet-recover.socket``), with the connection as standard input.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

Action = Literal["usb_reset", "restart_argus"]
SOCKET: Final = Path("/run/edge-segnet-recover")
ANSWER_S: Final = 30.0
"""``systemctl restart`` waits until the old process has ended."""
MOST: Final = 24
"""A day, whatever is asked for."""
DARK_S: Final = 1.0
"""A port stays off for so long: a camera's own processor forgets its trouble."""
_REQUEST: Final = re.compile(
    r"(usb_reset) ([0-9]{1,3}-[0-9]{1,3}(?:\.[0-9]{1,3}){0,6}) ([0-9]{1,3})|(restart_argus) ([0-9]{1,3})"
)


def ask(action: Action, limit: int, port: str = "", path: Path = SOCKET) -> str:
    """Have the helper do it, at most ``limit`` times a day; its answer, or why there is none."""
    request = " ".join(filter(None, (action, port, str(limit))))
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as end:
            end.settimeout(ANSWER_S)
            end.connect(str(path))
            end.sendall(request.encode() + b"\n")
            return end.makefile().readline(200).strip() or "refused: no answer"
    except OSError as error:
        return f"refused: {path}: {error.strerror or error}; is edge-segnet-recover.socket enabled?"


class Helper:
    """Root's end. ``budget``: the file that remembers what was done today."""

    def __init__(self, budget: Path, root: Path = Path("/"), run: Callable[[list[str]], int] | None = None) -> None:
        self._budget, self._usb = budget, root / "sys/bus/usb/devices"
        self._run = run or (lambda command: subprocess.run(command, check=False, timeout=ANSWER_S).returncode)

    def serve(self, request: str) -> str:
        """Do what is asked for, if it is one of ours and not too often."""
        found = _REQUEST.fullmatch(request.strip())
        if found is None:
            return "refused: no request of ours"
        action = found[1] or found[4]
        limit = min(int(found[3] or found[5]), MOST)
        if self._done_today(action) >= limit:
            return f"refused: {action} was done {limit} times today"
        wrong = self._reset(found[2]) if found[1] else self._restart()
        if wrong:
            return f"refused: {wrong}"
        self._count(action)
        return "done"

    def _reset(self, port: str) -> str:
        device = self._usb / port
        if not any(device.glob("*:*/video4linux/video*")):
            return f"{port} has no camera"
        try:
            (device / "authorized").write_text("0")
            time.sleep(DARK_S)
            (device / "authorized").write_text("1")
        except OSError as error:
            return f"{port}: {error.strerror}"
        return ""

    def _restart(self) -> str:
        code = self._run(["systemctl", "restart", "nvargus-daemon.service"])
        return f"nvargus-daemon does not start ({code})" if code else ""

    def _done_today(self, action: str) -> int:
        return self._read().get(action, 0)

    def _read(self) -> dict[str, int]:
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
            kept = json.loads(self._budget.read_text())
            if kept.pop("day") == time.strftime("%Y-%m-%d"):
                return {str(name): int(times) for name, times in kept.items()}
        return {}

    def _count(self, action: str) -> None:
        kept = self._read()
        kept[action] = kept.get(action, 0) + 1
        fresh = self._budget.with_suffix(".new")
        fresh.write_text(json.dumps(kept | {"day": time.strftime("%Y-%m-%d")}))
        fresh.replace(self._budget)


def main() -> None:
    """One request on standard input, its answer on standard output."""
    state = Path(os.environ.get("STATE_DIRECTORY", "/var/lib/edge-segnet-recover"))
    answer = Helper(state / "today.json").serve(sys.stdin.readline(200))
    sys.stdout.write(answer + "\n")
    sys.stderr.write(answer + "\n")  # for the journal


if __name__ == "__main__":
    main()
