"""Files of one value each, as the kernel has them under /sys and /proc; what can't be read is not there."""

from __future__ import annotations

from pathlib import Path


def text(path: Path) -> str:
    """The value without its line's end; empty where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\0 \t\r\n")
    except OSError:
        return ""


def number(path: Path) -> int | None:
    """The value as a whole number; None where it is none."""
    try:
        return int(text(path))
    except ValueError:
        return None
