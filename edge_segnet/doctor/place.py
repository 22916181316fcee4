"""The machine as checks see it: files below a root that tests can choose, programs with a time limit."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROGRAM_S: Final = 2.0
"""For a program that only prints what it is; one that hangs must not hold the doctor up."""
MAX_BYTES: Final = 1 << 20
"""Of one file in /proc or /sys; none that is read has more than a few kilobytes."""


@dataclass(frozen=True)
class Place:
    """``root``: where ``sys``, ``proc``, ``etc``, ``dev``, ``run`` and ``usr`` lie."""

    root: Path = Path("/")

    def path(self, name: str) -> Path:
        """``/proc/meminfo`` below the root."""
        return self.root / name.lstrip("/")

    def text(self, name: str | Path) -> str:
        """What a file says, without NULs and white space around it; empty when it can't be read."""
        return read_text(self.path(name) if isinstance(name, str) else name)

    def number(self, name: str | Path) -> int | None:
        """The whole number in a file."""
        try:
            return int(self.text(name))
        except ValueError:
            return None

    def glob(self, pattern: str) -> list[Path]:
        """Files below the root, in natural order."""
        return sorted(self.root.glob(pattern.lstrip("/")), key=natural)

    @property
    def board(self) -> str:
        """The name of the board or PC; empty when it has none."""
        return self.text("/proc/device-tree/model") or self.text("/sys/class/dmi/id/product_name")

    @property
    def l4t(self) -> tuple[int, str] | None:
        """(36, "36.4.3") on a Jetson: the release of its Linux."""
        found = re.search(r"# R(\d+) \(release\), REVISION: ([\d.]+)", self.text("/etc/nv_tegra_release"))
        return (int(found[1]), f"{found[1]}.{found[2]}") if found else None


def read_text(path: Path) -> str:
    """As ``Place.text``. A pipe does not hang it."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
            return file.read(MAX_BYTES).decode("utf-8", "replace").strip("\0 \t\r\n")
    except OSError:
        return ""


def natural(path: Path) -> list[int | str]:
    """``video2`` before ``video10``."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", path.name)]


def said(command: Sequence[str], seconds: float = PROGRAM_S) -> str | None:
    """Standard output of a program; None when it is not there, fails, or takes longer."""
    environment = os.environ | {"LC_ALL": "C", "SYSTEMD_PAGER": ""}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
