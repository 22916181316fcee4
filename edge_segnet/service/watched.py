"""Notices that a file was changed, once nobody writes to it any more."""

from __future__ import annotations

from pathlib import Path

Mark = tuple[int, int, int]


class Watched:
    """A change counts when two looks in a row see the same new file, so that half of one is never read."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._taken = self._last = _mark(path)

    @property
    def mark(self) -> Mark | None:
        """Of the file that was taken last."""
        return self._taken

    def taken(self) -> None:
        """The file as it is now is read: no change any more."""
        self._taken = self._last = _mark(self._path)

    def changed(self) -> bool:
        """Whether there is a change that was not taken yet."""
        mark, before = _mark(self._path), self._last
        self._last = mark
        return mark is not None and mark not in (self._taken,) and mark == before


def _mark(path: Path | None) -> Mark | None:
    """Inode, size and time of change; None where there is no file."""
    try:
        facts = path.stat() if path is not None else None
    except OSError:
        return None
    return None if facts is None else (facts.st_ino, facts.st_size, facts.st_mtime_ns)
