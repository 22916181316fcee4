"""Notices that a file was changed, once nobody writes to it any more."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

LOOK_S: Final = 0.5
Stamp = tuple[int, int, int]


class Watched:
    """A change counts when two looks in a row see the same new file, so that half of one is never read."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._taken = self._last = _stamp(path)
        self._looked = time.monotonic()

    def changed(self) -> bool:
        """Whether there is a change that was not reported yet; looks twice a second at most."""
        now = time.monotonic()
        if self._path is None or now - self._looked < LOOK_S:
            return False
        self._looked = now
        stamp, before = _stamp(self._path), self._last
        self._last = stamp
        if stamp is None or stamp == self._taken or stamp != before:
            return False
        self._taken = stamp
        return True


def _stamp(path: Path | None) -> Stamp | None:
    """Inode, size and time of change; None where there is no file."""
    try:
        facts = path.stat() if path is not None else None
    except OSError:
        return None
    return None if facts is None else (facts.st_ino, facts.st_size, facts.st_mtime_ns)
